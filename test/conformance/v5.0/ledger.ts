/** The normative statements of MQTT 5.0 (OASIS Standard, 7 March 2019, Appendix B), chapter by chapter. */
import type { Statements } from '../support/statements.ts';
import { packetFormat } from './ledger-1-2-packet-format.ts';
import { connectToPublish } from './ledger-3.1-3.3-connect-to-publish.ts';
import { pubackToAuth } from './ledger-3.4-3.15-puback-to-auth.ts';
import { operation } from './ledger-4-6-operation.ts';

export const ledger: Statements = { ...packetFormat, ...connectToPublish, ...pubackToAuth, ...operation };
