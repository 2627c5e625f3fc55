import { storedAttacks } from './attacks/stored.ts';
import { playInShort } from './in-short.ts';

playInShort(storedAttacks);
