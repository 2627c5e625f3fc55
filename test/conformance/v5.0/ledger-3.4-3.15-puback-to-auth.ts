/** MQTT 5.0, sections 3.4 to 3.15: the other control packets. */
import type { Statements } from '../support/statements.ts';

export const pubackToAuth: Statements = {};
