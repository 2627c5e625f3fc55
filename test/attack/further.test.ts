import { furtherAttacks } from './attacks/further.ts';
import { playInShort } from './in-short.ts';

playInShort(furtherAttacks);
