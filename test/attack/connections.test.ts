import { connectionAttacks } from './attacks/connections.ts';
import { playInShort } from './in-short.ts';

playInShort(connectionAttacks);
