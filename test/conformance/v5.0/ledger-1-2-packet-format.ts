/** MQTT 5.0, chapters 1 and 2: data representation and packet format. */
import type { Statements } from '../support/statements.ts';

export const packetFormat: Statements = {};
