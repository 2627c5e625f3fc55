/** The documents: pages without a connection. */
import './docs.css';
import { byId } from '../shared/dom.ts';

byId('link-state').hidden = true;
