// Writes docs/configuration.md from the code: the comments of core/config/options.ts and limits.ts, the flags and
// variables of settings.ts and the help text of the command. `--check` only compares.

import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { limitRanges } from '../dist/core/config/limits.js';
import { optionRules } from '../dist/core/config/option-rules.js';
import { settings } from '../dist/core/config/settings.js';
import { usage } from '../dist/core/config/usage.js';

const root = resolve(import.meta.dirname, '..');
const path = join(root, 'docs/configuration.md');

/** Members of an interface or object with the comment above each. */
function documented(file, begin, member) {
  const text = readFileSync(join(root, file), 'utf8');
  const start = text.indexOf(begin);
  if (start < 0) throw new Error(`${file} has no "${begin}"`);
  const block = text.slice(start, text.indexOf('\n}', start));
  const found = [];
  let comment = '';
  for (const [, said, name, type] of block.matchAll(
    new RegExp(`(?:/\\*\\*([\\s\\S]*?)\\*/|^  ${member}).*$`, 'gm'),
  )) {
    if (name === undefined) comment = proseOf(said);
    else found.push({ name, type: type?.replace(/;$/, ''), comment });
  }
  return found;
}

function proseOf(comment) {
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trim())
    .filter((line) => line !== '')
    .join(' ')
    .replaceAll(/\{@link (\w+)\}/g, '`$1`')
    .replaceAll('|', '\\|')
    .trim();
}

function optionRows() {
  const members = documented(
    'core/config/options.ts',
    'export interface BrokerOptions',
    'readonly (\\w+)\\?: (.*)',
  );
  return members.map(({ name, comment }) => {
    const setting = settings.find(({ option }) => option === name);
    const flag =
      setting === undefined
        ? ''
        : `\`--${setting.flag}${setting.placeholder ? ` ${setting.placeholder}` : ''}\``;
    const variable = setting?.variable === undefined ? '' : `\`${setting.variable}\``;
    const given = [flag, variable, reloads[optionRules[name].reload]].filter(Boolean).join(' · ');
    return [`### \`${name}\``, '', given, '', comment, ''].join('\n');
  });
}

const reloads = { live: '*live*', restart: '*needs a restart*' };

function limitRows() {
  const members = documented('core/config/limits.ts', 'export const limitRanges', '(\\w+): \\{(.*)\\},?');
  return members.map(({ name, comment }) => {
    const { default: value, min, max, powerOfTwo, reload } = limitRanges[name];
    const range = `${shown(min)} to ${shown(max)}${powerOfTwo ? ', a power of two' : ''}`;
    return `| \`${name}\` | ${shown(value)} | ${range} | ${reload} | ${comment.replace(/ Default [^:.]*: /, ' Why: ')} |`;
  });
}

function shown(number) {
  return number.toLocaleString('en-GB').replaceAll(',', '\u202f');
}

const text = `# Configuration

All options and limits, with their flags, variables, defaults and reasons. This page is generated from the sources by
\`npm run docs\`; a test fails if it is out of date.

An option can be given in several ways. A flag overrides the environment, which overrides the file, which overrides the
default. An unknown flag, variable or key is an error that names the nearest known one.

| | where | for |
| --- | --- | --- |
| flag | \`rallymq --port 9001\` | the options below that have one |
| environment | \`RALLYMQ_PORT=9001 rallymq\` | the same |
| file | \`rallymq --config rallymq.json\` | all options and limits, by name |
| program | \`createBroker({ port: 9001 })\` | all options and limits, and functions ([embedding](embedding.md)) |

A file is JSON without comments. This one starts the broker without a TCP port, with smaller packets and with sessions that
last a day at most:

\`\`\`json
{
  "port": 9001,
  "tcpPort": false,
  "logLevel": "warn",
  "limits": { "maximumPacketSizeBytes": 65536, "sessionExpiryIntervalMax": 86400 }
}
\`\`\`

SIGHUP, \`POST /api/v1/config/reload\` and the dashboard reload the configuration and the files of users, rules, keys and
certificates ([security](security.md), [TLS](tls.md)). Options and limits marked *live* take effect at once; those that a client is told
when it connects, for new connections. All others need a restart: the log and the answer name those that have changed. If the
configuration or a file contains an error, nothing changes, and the log gives the position. The files of TLS are live, but adding or
removing one needs a restart. Each reload is logged (\`"audit":"reloaded"\`) with who requested it and the previous values.

The log goes to standard error: as text on a terminal, otherwise as lines of JSON (\`logFormat\`). The exit status is 0 after an
orderly stop, 1 if the broker failed, and 2 for a usage or configuration error. A \`.env\` file is not read:
use \`EnvironmentFile=\` of systemd, \`env_file\` of compose, or \`set -a; . ./.env\` of the shell.

## The command

\`\`\`text
${usage().trimEnd()}
\`\`\`

## Options

${optionRows().join('\n')}
## Limits

Limits are keys of \`limits\` in the file and in \`createBroker()\`. [architecture.md](architecture.md#bounds) says what
happens when each is reached.

| limit | default | range | reload | meaning and reason |
| --- | ---: | --- | --- | --- |
${limitRows().join('\n')}
`;

if (process.argv.includes('--check')) {
  if (readFileSync(path, 'utf8') !== text) {
    console.error('docs/configuration.md is out of date: run npm run docs');
    process.exit(1);
  }
} else {
  writeFileSync(path, text);
}
