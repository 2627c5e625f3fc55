/** MQTT 5.0, chapters 4 and 6: operation, and WebSocket. */
import type { Statements } from '../support/statements.ts';

export const operation: Statements = {};
