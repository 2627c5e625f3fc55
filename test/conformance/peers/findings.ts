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

const mqtt5: Findings = {
  'MQTT-1.5.5-1': 'Takes a remaining length that has more bytes than it needs.',
  'MQTT-2.1.3-1':
    'Takes PUBACK, PUBREC, PUBCOMP and PINGREQ with flags that are reserved, longer than they may be, and packets that only servers send.',
  'MQTT-2.2.2-1':
    'Takes Authentication Data without a method; for Subscription Identifier 0 it says 0x81, where 3.8.2.1.2 names a Protocol Error.',
  'MQTT-3.1.2-8':
    'Publishes a delayed will when the session has ended only once the delay has passed too, none after a DISCONNECT with a reason code other than 0x04, and none in a takeover without a clean start.',
  'MQTT-3.1.2-24':
    'Sends a PUBLISH that is one byte larger than allowed, a SUBACK of any size, and a CONNACK of 5 bytes where 4 are allowed.',
  'MQTT-3.1.2-25': 'A message that was too large keeps its place in the window, and nothing follows it.',
  'MQTT-3.1.3-11': 'Takes a will whose response topic has wildcards [MQTT-3.3.2-14].',
  'MQTT-3.3.1-2': 'Takes DUP with QoS 0; what the protocol does not allow is a Protocol Error (1.2).',
  'MQTT-3.3.2-5':
    'What waits behind a message that expired in the queue for the window is not sent when there is room.',
  'MQTT-3.3.2-8': 'Says 0x81 to the topic alias 0, where 3.3.4 names 0x94.',
  'MQTT-3.3.2-14': 'Takes a response topic with wildcards, and hands it on.',
  'MQTT-3.3.4-6': 'Takes a PUBLISH with a subscription identifier, which 3.3.4 calls a Protocol Error.',
  'MQTT-3.3.4-9':
    'Sends more than the Receive Maximum: one too many after a PUBACK, and all that was in flight after a reconnect with a lower one.',
  'MQTT-3.8.3-4': 'Takes No Local on a shared subscription, which is a Protocol Error.',
  'MQTT-3.8.4-3': 'A SUBSCRIBE with the same filter leaves No Local as it was.',
  'MQTT-3.14.2-1': 'Over WebSocket a DISCONNECT with 0x04 is not followed by the close, nor by the will.',
  'MQTT-3.14.4-1':
    'Over WebSocket it answers what comes behind a DISCONNECT with another DISCONNECT, behind its own one too.',
  'MQTT-3.14.4-2': 'As [MQTT-3.14.2-1].',
  'MQTT-4.3.3-7': 'What was sent with QoS 2 and is not acknowledged still expires, and is not sent again.',
  'MQTT-4.3.3-10':
    'A PUBLISH of QoS 2 that comes a third time before its PUBREL ends the connection; a PUBREC is due each time.',
  'MQTT-4.8.2-1': 'Takes a shared subscription with an empty share name.',
  'MQTT-4.8.2-2':
    'Takes a share name with wildcards, and sends retained messages to a new shared subscription, which 4.8.2 excludes.',
  'MQTT-4.9.0-1': 'After a reconnect it sends more than the new Receive Maximum.',
  'MQTT-4.9.0-2': 'A PUBREC already makes room for the next message; only the PUBCOMP may.',
  'MQTT-4.13.1-1':
    'Takes acknowledgements with flags, with reason codes that they do not have or with bytes behind their properties, PINGREQ with flags or a body, and SUBACK, UNSUBACK and PINGRESP from clients; for Subscription Identifier 0 it says 0x81, where 3.8.2.1.2 names a Protocol Error.',
  'MQTT-6.0.0-1': 'Takes MQTT in text frames, and answers in binary ones.',
  'MQTT-6.0.0-4': 'Of the offer "mqttv3.1, mqtt" it chooses mqttv3.1.',
};

export const findings: Readonly<Record<Version, Findings>> = { '3.1.1': mqtt311, '5.0': mqtt5 };
