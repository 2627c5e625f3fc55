import { httpAttacks } from './attacks/http.ts';
import { playInShort } from './in-short.ts';

playInShort(httpAttacks);
