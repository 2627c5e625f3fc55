import { packetAttacks } from './attacks/packets.ts';
import { playInShort } from './in-short.ts';

playInShort(packetAttacks);
