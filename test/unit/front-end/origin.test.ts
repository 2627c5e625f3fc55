import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAllowedOrigin, type OriginRules } from '../../../core/front-end/origin.ts';

const local: OriginRules = { allowedOrigins: [], isLocal: true, takesFiles: true };
const mixed: OriginRules = { allowedOrigins: [], isLocal: true, takesFiles: false };
const open: OriginRules = { allowedOrigins: [], isLocal: false, takesFiles: false };
const listed: OriginRules = {
  allowedOrigins: ['https://scores.example', 'null'],
  isLocal: false,
  takesFiles: false,
};
const everyone: OriginRules = { allowedOrigins: ['*'], isLocal: true, takesFiles: true };

type Case = readonly [origin: string, host: string, rules: OriginRules, isAllowed: boolean];

const cases: readonly Case[] = [
  // Programs send no origin.
  ['', '127.0.0.1:8080', local, true],
  ['', 'scores.example', open, true],
  // Pages from this machine.
  ['http://127.0.0.1:8080', '127.0.0.1:8080', local, true],
  ['http://localhost:5173', '127.0.0.1:8080', local, true],
  ['https://localhost', 'localhost:8080', local, true],
  ['http://[::1]:3000', '[::1]:8080', local, true],
  ['http://127.1.2.3', 'localhost:8080', local, true],
  ['http://app.localhost:3000', 'localhost:8080', local, true],
  // Pages from elsewhere, and those that want to look as if they were not.
  ['https://evil.example', '127.0.0.1:8080', local, false],
  ['http://evil.example:8080', 'evil.example:8080', local, false], // its name points to 127.0.0.1
  ['http://localhost.evil.example', 'localhost:8080', local, false],
  ['http://127.0.0.1.evil.example', '127.0.0.1:8080', local, false],
  ['http://evillocalhost', 'localhost:8080', local, false],
  ['http://localhost:3000/', 'localhost:8080', local, false],
  ['http://localhost@evil.example', 'localhost:8080', local, false],
  ['chrome-extension://abcdefgh', 'localhost:8080', local, false],
  ['file://', 'localhost:8080', local, false],
  ['null', 'localhost:8080', local, true], // a file; also a sandboxed frame of any page
  ['nonsense', 'nonsense', local, false],
  // Others reach one of its listeners.
  ['null', 'localhost:8080', mixed, false],
  ['http://localhost:5173', '127.0.0.1:8080', mixed, true],
  ['http://evil.example:8080', 'evil.example:8080', mixed, false],
  // A broker that others reach: only pages of its own host, whatever machine the browser is on.
  ['https://scores.example', 'scores.example', open, true],
  ['http://scores.example:8080', 'scores.example:8080', open, true],
  ['http://scores.example:3000', 'scores.example:8080', open, false],
  ['https://www.scores.example', 'scores.example', open, false],
  ['http://localhost:3000', 'scores.example', open, false],
  ['null', 'scores.example', open, false],
  ['https://scores.example', '', open, false],
  // Of what is listed, scheme, host and port are compared (RFC 6454, 5).
  ['https://scores.example', 'mqtt.example', listed, true],
  ['null', 'mqtt.example', listed, true],
  ['http://scores.example', 'mqtt.example', listed, false],
  ['https://scores.example.evil.example', 'mqtt.example', listed, false],
  ['https://scores.example:8443', 'mqtt.example', listed, false],
  ['https://SCORES.example', 'mqtt.example', listed, true],
  ['https://scores.example:443', 'mqtt.example', listed, true], // as paho-mqtt sends it
  ['https://scores.example:80', 'mqtt.example', listed, false],
  ['https://scores.example:443/', 'mqtt.example', listed, false],
  ['https://u@scores.example', 'mqtt.example', listed, false],
  ['https://scores.example:443', 'scores.example', open, true],
  ['https://scores.example', 'scores.example:443', open, true],
  ['http://scores.example', 'Scores.example:80', open, true],
  ['http://scores.example', 'scores.example:443', open, false],
  ['http://scores.example', 'scores.example/', open, false],
  ['http://scores.example', 'x@scores.example', open, false],
  ['https://mqtt.example', 'mqtt.example', listed, true],
  ['https://evil.example', '127.0.0.1:8080', everyone, true],
  ['null', '127.0.0.1:8080', everyone, true],
];

for (const [origin, host, rules, isAllowed] of cases) {
  const { allowedOrigins, isLocal, takesFiles } = rules;
  const shown = `${isLocal ? (takesFiles ? 'local' : 'mixed') : 'open'} [${allowedOrigins}]`;
  test(`${shown}: a page of "${origin}" may ${isAllowed ? '' : 'not '}connect to "${host}"`, () => {
    assert.equal(isAllowedOrigin(origin, host, rules), isAllowed);
  });
}
