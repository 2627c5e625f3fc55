// The scenario in a process: `main.mjs URL [MODULE]`, where MODULE gives a WebSocket to runtimes without one.
import process from 'node:process';
import * as rally from '../../../../dist/client/rally.js';
import { playScenario } from './scenario.mjs';

const [url, webSocketModule] = process.argv.slice(2);
const { WebSocket } = webSocketModule ? await import(webSocketModule) : globalThis;
await playScenario(rally, url, { WebSocket });
console.log('played');
