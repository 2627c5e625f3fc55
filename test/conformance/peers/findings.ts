/**
 * What was seen when the tests that Debian's mosquitto fails were looked at a second time, by statement: what
 * it does, and why the test stands.
 */
import type { Version } from '../support/packets.ts';

export type Findings = Readonly<Record<`MQTT-${string}`, string>>;

const mqtt311: Findings = {
  'MQTT-2.2.2-2':
    'Takes PUBACK, PUBREC, PUBCOMP and PINGREQ with flags that are reserved, as if they were not set.',
  'MQTT-3.1.2-24':
    'Looks for silent clients only every few seconds: with a keep alive of 2 s it closed after 5.6 s, not 3 s.',
  'MQTT-3.3.5-1':
    'Of overlapping subscriptions it serves the first that it finds, and its QoS, which may be less than the highest.',
  'MQTT-4.3.3-2':
    'A PUBLISH of QoS 2 that comes a third time before its PUBREL ends the connection; a PUBREC is due each time.',
  'MQTT-4.8.0-1':
    'Takes SUBACK, UNSUBACK and PINGRESP from clients, and PINGREQ, PUBACK and PUBREL that are longer than they may be.',
  'MQTT-6.0.0-1': 'Takes MQTT in text frames, and answers in binary ones.',
};

const mqtt5: Findings = {};

export const findings: Readonly<Record<Version, Findings>> = { '3.1.1': mqtt311, '5.0': mqtt5 };
