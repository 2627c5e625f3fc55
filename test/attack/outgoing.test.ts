import { outgoingAttacks } from './attacks/outgoing.ts';
import { playInShort } from './in-short.ts';

playInShort(outgoingAttacks);
