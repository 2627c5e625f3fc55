/** MQTT 5.0, sections 3.1 to 3.3: CONNECT, CONNACK, PUBLISH. */
import type { Statements } from '../support/statements.ts';

export const connectToPublish: Statements = {};
