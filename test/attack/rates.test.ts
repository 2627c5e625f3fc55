import { rateAttacks } from './attacks/rates.ts';
import { playInShort } from './in-short.ts';

playInShort(rateAttacks);
