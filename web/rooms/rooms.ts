import { openRally } from '../shared/page.ts';

openRally();
