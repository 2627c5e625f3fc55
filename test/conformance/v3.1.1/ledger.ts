/** The normative statements of MQTT 3.1.1 (OASIS Standard, 29 October 2014, Appendix B). */
import type { Statements } from '../support/statements.ts';

export const ledger: Statements = {};
