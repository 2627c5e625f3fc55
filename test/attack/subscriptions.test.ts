import { subscriptionAttacks } from './attacks/subscriptions.ts';
import { playInShort } from './in-short.ts';

playInShort(subscriptionAttacks);
