// An esbuild plugin that leaves out of core/wire what a client of MQTT 5 alone never runs. The sources serve
// every version and the broker's log; in the client's bundle
//
// - the protocol version is 5, so that the minifier drops the branches for others,
// - packet types are numbers, so that no table of names is carried,
// - errors of the protocol have their reason code and not the sentence for a log,
// - how a property is written has a name of one letter, where a table and two objects have it,
// - what the specification allows of properties is not checked (property-rules.ts says why).
//
// It replaces expressions by constants and names, file by file, and nothing else.

import { readFileSync } from 'node:fs';

const packetTypesFile = new URL('../core/wire/packet-type.ts', import.meta.url);

// The minifier leaves out calls of functions that do nothing.
const noRules = ['isMisplaced', 'propertyFault', 'propertiesFault']
  .map((name) => `export function ${name}() {}`)
  .join('\n');

/** How properties are written: names of functions, and their names again in the table of the properties. */
const encodings = {
  uint8: 'B',
  uint16: 'H',
  uint32: 'I',
  variableByteInteger: 'V',
  string: 'S',
  stringPair: 'P',
  binary: 'Y',
};
const encodingName = new RegExp(`\\b(?:${Object.keys(encodings).join('|')})\\b`, 'g');

export function specialiseWire() {
  const packetTypes = new Map(
    [...readFileSync(packetTypesFile, 'utf8').matchAll(/^ {2}(\w+): (\d+),$/gm)].map(([, name, value]) => [
      name,
      value,
    ]),
  );
  return {
    name: 'specialise-wire',
    setup(build) {
      build.onLoad({ filter: /\/(core\/wire|client)\/[\w-]+\.ts$/ }, ({ path }) => {
        const source = readFileSync(path, 'utf8')
          .replaceAll(/(?<!typeof )\bPacketType\.(\w+)/g, (_, name) => packetTypes.get(name))
          .replaceAll(/(?:\bthis\.#|\b)(?:protocolV|v)ersion(?= (?:===|<|>) \d)/g, '5')
          .replaceAll(encodingName, (name) => (path.includes('/core/wire/') ? encodings[name] : name))
          .replaceAll(/\b(malformedPacket|protocolViolation)\((?:'[^']*'|`[^`]*`)\)/g, "$1('')");
        if (path.endsWith('/property-rules.ts')) return { contents: noRules };
        return { contents: source, loader: 'ts' };
      });
    },
  };
}
