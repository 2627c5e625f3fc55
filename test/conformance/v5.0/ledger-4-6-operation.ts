/** MQTT 5.0, chapters 4 and 6: operation, and WebSocket. */
import type { Statements } from '../support/statements.ts';

const clientsPart = 'it says what the client does; nothing of it can be asked of a server';

export const operation: Statements = {
  'MQTT-4.1.0-1': 'While the connection is open neither side gives up the session state.',
  'MQTT-4.1.0-2':
    'When the connection is closed and the session expiry has passed, the server gives up the session state.',
  'MQTT-4.2.0-1': 'There is at least one transport that carries bytes both ways in order and without loss.',

  'MQTT-4.3.1-1': 'A QoS 0 message is sent with DUP 0.',
  'MQTT-4.3.2-1': 'A new QoS 1 message gets a packet identifier that is not in use.',
  'MQTT-4.3.2-2': 'A QoS 1 message goes out with this packet identifier and, the first time, DUP 0.',
  'MQTT-4.3.2-3': 'A QoS 1 message counts as unacknowledged until its PUBACK has come.',
  'MQTT-4.3.2-4': 'Who takes a QoS 1 message answers with PUBACK and its packet identifier.',
  'MQTT-4.3.2-5':
    'After the PUBACK a PUBLISH with the same packet identifier is a new message, whatever its DUP says.',
  'MQTT-4.3.3-1': 'A new QoS 2 message gets a packet identifier that is not in use.',
  'MQTT-4.3.3-2': 'A QoS 2 message goes out with this packet identifier and, the first time, DUP 0.',
  'MQTT-4.3.3-3': 'A QoS 2 message counts as unacknowledged until its PUBREC has come.',
  'MQTT-4.3.3-4': 'A PUBREC below 0x80 is answered with PUBREL and the packet identifier of the message.',
  'MQTT-4.3.3-5': 'A PUBREL counts as unacknowledged until its PUBCOMP has come.',
  'MQTT-4.3.3-6': 'Once its PUBREL went out, the PUBLISH is not sent again.',
  'MQTT-4.3.3-7': 'A QoS 2 message whose PUBLISH went out does not expire any more.',
  'MQTT-4.3.3-8': 'Who takes a QoS 2 message answers with PUBREC and its packet identifier.',
  'MQTT-4.3.3-9':
    'After a PUBREC of 0x80 or above a PUBLISH with the same packet identifier is a new message.',
  'MQTT-4.3.3-10':
    'Until the PUBREL a PUBLISH with the same packet identifier gets PUBREC again and is passed on only once.',
  'MQTT-4.3.3-11': 'A PUBREL is answered with PUBCOMP and the same packet identifier.',
  'MQTT-4.3.3-12': 'After the PUBCOMP a PUBLISH with the same packet identifier is a new message.',
  'MQTT-4.3.3-13': 'The receiver goes on with the QoS 2 exchange even if it has let the message expire.',

  'MQTT-4.4.0-1':
    'On reconnecting to a session, and only then, unacknowledged PUBLISH and PUBREL packets are sent again with their packet identifiers.',
  'MQTT-4.4.0-2':
    'A message that a PUBACK or PUBREC of 0x80 or above answered is done with and not sent again.',

  'MQTT-4.5.0-1':
    'A message that the server takes goes into the session of every client that subscribes to it.',
  'MQTT-4.5.0-2': {
    text: 'The client acknowledges whatever is published to it, as its QoS asks, whether it has use for it or not.',
    notTheServers: clientsPart,
  },

  'MQTT-4.6.0-1': {
    text: 'The client sends PUBLISH packets again in their first order.',
    notTheServers: clientsPart,
  },
  'MQTT-4.6.0-2': {
    text: 'The client sends PUBACKs in the order in which the messages came.',
    notTheServers: clientsPart,
  },
  'MQTT-4.6.0-3': {
    text: 'The client sends PUBRECs in the order in which the messages came.',
    notTheServers: clientsPart,
  },
  'MQTT-4.6.0-4': {
    text: 'The client sends PUBRELs in the order in which the PUBRECs came.',
    notTheServers: clientsPart,
  },
  'MQTT-4.6.0-5':
    'What a client publishes to an ordered topic reaches each consumer in the order in which it came, for each QoS.',
  'MQTT-4.6.0-6':
    'Unless told otherwise the server takes every topic as ordered for subscriptions that are not shared.',

  'MQTT-4.7.0-1': 'Wildcards stand in topic filters and never in topic names.',
  'MQTT-4.7.1-1': 'In a filter # stands alone or behind a separator, and is the last character.',
  'MQTT-4.7.1-2': 'In a filter + may be any level, and fills it.',
  'MQTT-4.7.2-1': 'A filter that begins with a wildcard matches no topic that begins with $.',
  'MQTT-4.7.3-1': 'Topic names and filters have at least one character.',
  'MQTT-4.7.3-2': 'Topic names and filters do not contain U+0000.',
  'MQTT-4.7.3-3': 'Topic names and filters have at most 65,535 bytes of UTF-8.',
  'MQTT-4.7.3-4':
    'For matching, names and filters are compared as they are: nothing is normalised or replaced.',

  'MQTT-4.8.2-1':
    'The filter of a shared subscription begins with $share/ and has a share name of one character or more.',
  'MQTT-4.8.2-2': 'The share name has none of / + #; behind it come a / and a topic filter.',
  'MQTT-4.8.2-3': 'Of a shared subscription each client gets messages within the QoS that it was granted.',
  'MQTT-4.8.2-4': 'A QoS 2 delivery to a member that was cut off is completed when this member reconnects.',
  'MQTT-4.8.2-5': 'If the session of that member ends first, nobody else gets the message.',
  'MQTT-4.8.2-6':
    'A message that its receiver refuses with 0x80 or above is thrown away and not offered to another member.',

  'MQTT-4.9.0-1': 'The first send quota is above 0 and not above the Receive Maximum.',
  'MQTT-4.9.0-2': 'Each QoS 1 or 2 PUBLISH uses up one of the quota; at zero no more of them are sent.',
  'MQTT-4.9.0-3': 'With no quota left all other packets are processed and answered.',

  'MQTT-4.12.0-1':
    'An authentication method that the server does not support ends the connection, with 0x8C or 0x87 if it says why.',
  'MQTT-4.12.0-2': 'An AUTH with which the server asks for more has Continue authentication.',
  'MQTT-4.12.0-3': 'The AUTH with which the client answers has Continue authentication.',
  'MQTT-4.12.0-4':
    'A server that rejects the authentication closes, with a CONNACK of 0x80 or above if it says why.',
  'MQTT-4.12.0-5': 'Every AUTH and the successful CONNACK name the authentication method of the CONNECT.',
  'MQTT-4.12.0-6':
    'To a client that named no method the server sends neither AUTH nor a method in the CONNACK.',
  'MQTT-4.12.0-7': 'A client that named no method sends no AUTH.',
  'MQTT-4.12.1-1':
    'A client that named a method may authenticate again at any time with AUTH 0x19 and the same method.',
  'MQTT-4.12.1-2': 'A re-authentication that fails ends the connection, with a DISCONNECT that says why.',

  'MQTT-4.13.1-1':
    'A malformed packet or protocol error that has a reason code makes the server close the connection.',
  'MQTT-4.13.2-1':
    'A reason code of 0x80 or above for CONNACK or DISCONNECT closes the connection, whether or not it is sent.',

  'MQTT-6.0.0-1': 'MQTT comes in binary WebSocket frames; any other data frame closes the connection.',
  'MQTT-6.0.0-2': 'Packets and WebSocket frames need not begin or end together.',
  'MQTT-6.0.0-3': {
    text: 'The client offers the sub-protocol mqtt.',
    notTheServers:
      'it binds the client, and leaves open what a server does without the offer (RallyMQ answers 400)',
  },
  'MQTT-6.0.0-4': 'The sub-protocol that the server chooses is mqtt.',
};
