/** MQTT 5.0, sections 3.1 to 3.3: CONNECT, CONNACK, PUBLISH. */
import type { Statements } from '../support/statements.ts';

const onlyTheClients = 'binds only the client, and the server neither sees nor answers a breach of it';

const connect: Statements = {
  'MQTT-3.1.0-1': 'The first packet of a client is CONNECT.',
  'MQTT-3.1.0-2': 'A second CONNECT is a Protocol Error that ends the connection.',
  'MQTT-3.1.2-1':
    'The protocol name is MQTT; a server that does not take another one ends the connection, after a CONNACK with 0x84 if it likes.',
  'MQTT-3.1.2-2':
    'A server that does not take the protocol version ends the connection, after a CONNACK with 0x84 if it likes.',
  'MQTT-3.1.2-3': 'The server checks that the reserved flag of CONNECT is 0.',
  'MQTT-3.1.2-4': 'A clean start discards the session that there was and begins a new one.',
  'MQTT-3.1.2-5': 'Without a clean start the session that belongs to the client identifier goes on.',
  'MQTT-3.1.2-6': 'Without a clean start and without such a session the server makes a new one.',
  'MQTT-3.1.2-7': 'With the will flag the server stores a will with the session.',
  'MQTT-3.1.2-8':
    'After the connection the will is published, once its delay has passed or the session ends, unless a DISCONNECT with 0x00 or a new connection of the client has deleted it.',
  'MQTT-3.1.2-9': 'With the will flag there are will properties, will topic and will payload.',
  'MQTT-3.1.2-10':
    'The will is gone from the session once it is published or the client has sent DISCONNECT with 0x00.',
  'MQTT-3.1.2-11': 'Without the will flag the will QoS is 0.',
  'MQTT-3.1.2-12': 'With the will flag the will QoS is 0, 1 or 2.',
  'MQTT-3.1.2-13': 'Without the will flag will retain is 0.',
  'MQTT-3.1.2-14': 'With the will flag and will retain 0 the will is published without being retained.',
  'MQTT-3.1.2-15': 'With the will flag and will retain 1 the will is published and retained.',
  'MQTT-3.1.2-16': 'Without the user name flag there is no user name.',
  'MQTT-3.1.2-17': 'With the user name flag there is a user name.',
  'MQTT-3.1.2-18': 'Without the password flag there is no password.',
  'MQTT-3.1.2-19': 'With the password flag there is a password.',
  'MQTT-3.1.2-20': {
    text: 'A client with a keep alive other than 0 that has nothing else to send sends PINGREQ.',
    notTheServers: onlyTheClients,
  },
  'MQTT-3.1.2-21': {
    text: 'A client goes by the Server Keep Alive of the CONNACK, where there is one, in place of its own.',
    notTheServers: onlyTheClients,
  },
  'MQTT-3.1.2-22':
    'A server that gets no packet for one and a half times a keep alive other than 0 ends the connection, as if the network had failed.',
  'MQTT-3.1.2-23': 'With a Session Expiry Interval above 0 both sides keep the session after the connection.',
  'MQTT-3.1.2-24': 'The server sends no packet larger than the Maximum Packet Size of the client.',
  'MQTT-3.1.2-25': 'A message that is too large for the client is discarded, and counts as delivered.',
  'MQTT-3.1.2-26': 'The server sends no topic alias above the Topic Alias Maximum of the client.',
  'MQTT-3.1.2-27': 'Where the Topic Alias Maximum is absent or 0, the server sends no topic alias.',
  'MQTT-3.1.2-28': 'With Request Response Information 0 the server sends no Response Information.',
  'MQTT-3.1.2-29':
    'With Request Problem Information 0 there is a reason string or user property at most in CONNACK, DISCONNECT and PUBLISH.',
  'MQTT-3.1.2-30':
    'A client that named an Authentication Method sends nothing but AUTH and DISCONNECT before its CONNACK.',
  'MQTT-3.1.3-1':
    'The fields of the payload come in the order client identifier, will properties, will topic, will payload, user name, password.',
  'MQTT-3.1.3-2': 'The client identifier tells whose state it is that client and server hold.',
  'MQTT-3.1.3-3': 'The client identifier is there, as the first field of the payload.',
  'MQTT-3.1.3-4': 'The client identifier is a UTF-8 string.',
  'MQTT-3.1.3-5': 'The server allows client identifiers of 1 to 23 letters and digits.',
  'MQTT-3.1.3-6':
    'A server that allows a client identifier of length 0 assigns one to the client that no one else has.',
  'MQTT-3.1.3-7': 'The assigned identifier counts as if the client had sent it, and is in the CONNACK.',
  'MQTT-3.1.3-8':
    'A server that refuses a client identifier ends the connection, after a CONNACK with 0x85 if it likes.',
  'MQTT-3.1.3-9':
    'A new connection of the session before the will delay has passed keeps the will from being sent.',
  'MQTT-3.1.3-10': 'The user properties of a will are published in their order.',
  'MQTT-3.1.3-11': 'The will topic is a UTF-8 string.',
  'MQTT-3.1.3-12': 'The user name is a UTF-8 string.',
  'MQTT-3.1.4-1': 'The server checks the format of CONNECT, and ends the connection where it is wrong.',
  'MQTT-3.1.4-2': 'Where further checks fail, as of who the client is, the server ends the connection.',
  'MQTT-3.1.4-3':
    'A client that is connected under the identifier gets a DISCONNECT with 0x8E, and its connection ends.',
  'MQTT-3.1.4-4': 'The server does what the clean start asks for.',
  'MQTT-3.1.4-5': 'The server accepts with a CONNACK of 0x00.',
  'MQTT-3.1.4-6': 'A server that refuses the CONNECT looks at nothing behind it but AUTH.',
};

const connack: Statements = {
  'MQTT-3.2.0-1': 'A CONNACK with 0x00 comes before any other packet of the server but AUTH.',
  'MQTT-3.2.0-2': 'There is at most one CONNACK in a connection.',
  'MQTT-3.2.2-1': 'The flags of CONNACK are 0, but for the lowest one.',
  'MQTT-3.2.2-2': 'A server that accepts with a clean start sets Session Present to 0.',
  'MQTT-3.2.2-3':
    'A server that accepts without a clean start sets Session Present to 1 if it has a session of the client, else to 0.',
  'MQTT-3.2.2-4': {
    text: 'A client without session state that gets Session Present 1 closes the connection.',
    notTheServers: onlyTheClients,
  },
  'MQTT-3.2.2-5': {
    text: 'A client with session state that gets Session Present 0 discards it if it goes on.',
    notTheServers: onlyTheClients,
  },
  'MQTT-3.2.2-6': 'A CONNACK with another reason code than 0 has Session Present 0.',
  'MQTT-3.2.2-7': 'A server ends the connection after a CONNACK with 128 or above.',
  'MQTT-3.2.2-8': 'The reason code of a CONNACK is one of its table.',
  'MQTT-3.2.2-9': 'A server that does not support QoS 1 or QoS 2 says so by a Maximum QoS in its CONNACK.',
  'MQTT-3.2.2-10': 'Also such a server accepts SUBSCRIBE with each QoS.',
  'MQTT-3.2.2-11':
    'A client publishes with no QoS above the Maximum QoS of the server, which ends it with 0x9B.',
  'MQTT-3.2.2-12':
    'A will QoS above what the server supports makes it refuse the CONNECT, with 0x9B as it should.',
  'MQTT-3.2.2-13':
    'A server without retained messages refuses a will with will retain, with 0x9A as it should.',
  'MQTT-3.2.2-14':
    'A client that got Retain Available 0 publishes nothing with RETAIN; the server ends it with 0x9A.',
  'MQTT-3.2.2-15':
    'A client sends no packet above the Maximum Packet Size of the server, which ends it with 0x95.',
  'MQTT-3.2.2-16':
    'A client identifier of length 0 is answered with an assigned one that no other session has.',
  'MQTT-3.2.2-17': 'A client sends no topic alias above the Topic Alias Maximum of the server.',
  'MQTT-3.2.2-18':
    'Where the Topic Alias Maximum of the server is absent or 0, a client sends no topic alias.',
  'MQTT-3.2.2-19': 'A reason string does not make a CONNACK larger than the client takes.',
  'MQTT-3.2.2-20': 'User properties do not make a CONNACK larger than the client takes.',
  'MQTT-3.2.2-21': 'A Server Keep Alive in the CONNACK counts in place of the keep alive of the CONNECT.',
  'MQTT-3.2.2-22': 'Without a Server Keep Alive the keep alive of the CONNECT counts.',
};

const publish: Statements = {
  'MQTT-3.3.1-1': 'What is delivered again has DUP 1.',
  'MQTT-3.3.1-2': 'With QoS 0 DUP is 0.',
  'MQTT-3.3.1-3':
    'DUP of an outgoing PUBLISH says whether it is sent again, whatever that of the incoming one was.',
  'MQTT-3.3.1-4': 'The two bits of the QoS are not both 1.',
  'MQTT-3.3.1-5': 'A message with RETAIN takes the place of the retained message of its topic.',
  'MQTT-3.3.1-6':
    'An empty message with RETAIN is delivered like others, removes the retained message of its topic, and later subscribers get none.',
  'MQTT-3.3.1-7': 'An empty message is not retained.',
  'MQTT-3.3.1-8': 'A message without RETAIN is not retained, and leaves the retained one alone.',
  'MQTT-3.3.1-9': 'With Retain Handling 0 a SUBSCRIBE brings the retained messages that match.',
  'MQTT-3.3.1-10': 'With Retain Handling 1 it brings them if the subscription is new, and not otherwise.',
  'MQTT-3.3.1-11': 'With Retain Handling 2 it brings none.',
  'MQTT-3.3.1-12': 'Without Retain As Published a message is forwarded with RETAIN 0.',
  'MQTT-3.3.1-13': 'With Retain As Published it is forwarded with the RETAIN that it came with.',
  'MQTT-3.3.2-1': 'The topic name is the first field, and a UTF-8 string.',
  'MQTT-3.3.2-2': 'A topic name has no wildcards.',
  'MQTT-3.3.2-3': 'The topic name of what a server sends matches the filter of the subscription.',
  'MQTT-3.3.2-4': 'The Payload Format Indicator goes on to all subscribers unaltered.',
  'MQTT-3.3.2-5':
    'A message that has expired before its delivery to a subscriber began is not delivered to it.',
  'MQTT-3.3.2-6':
    'The Message Expiry Interval that goes on is what came, less the time that the message waited.',
  'MQTT-3.3.2-7': 'Topic aliases end with the connection.',
  'MQTT-3.3.2-8': 'The topic alias 0 is not sent.',
  'MQTT-3.3.2-9': 'A client sends no topic alias above the Topic Alias Maximum of the CONNACK.',
  'MQTT-3.3.2-10': {
    text: 'A client takes all topic aliases from 1 to the Topic Alias Maximum of its CONNECT.',
    notTheServers: onlyTheClients,
  },
  'MQTT-3.3.2-11': 'A server sends no topic alias above the Topic Alias Maximum of the CONNECT.',
  'MQTT-3.3.2-12': 'A server takes all topic aliases from 1 to the Topic Alias Maximum of its CONNACK.',
  'MQTT-3.3.2-13': 'The Response Topic is a UTF-8 string.',
  'MQTT-3.3.2-14': 'The Response Topic has no wildcards.',
  'MQTT-3.3.2-15': 'The Response Topic goes on to all subscribers unaltered.',
  'MQTT-3.3.2-16': 'The Correlation Data go on to all subscribers unaltered.',
  'MQTT-3.3.2-17': 'All user properties go on with the message, unaltered.',
  'MQTT-3.3.2-18': 'The user properties go on in their order.',
  'MQTT-3.3.2-19': 'The Content Type is a UTF-8 string.',
  'MQTT-3.3.2-20': 'The Content Type goes on to all subscribers unaltered.',
  'MQTT-3.3.4-1': 'PUBLISH is answered as its QoS asks: with nothing, PUBACK or PUBREC.',
  'MQTT-3.3.4-2':
    'Where subscriptions of a client overlap, the message comes with the highest QoS of those that match.',
  'MQTT-3.3.4-3': 'The subscription identifiers of overlapping subscriptions come with the message.',
  'MQTT-3.3.4-4': 'A single copy has the identifiers of all matching subscriptions that have one.',
  'MQTT-3.3.4-5': 'Of several copies each has the identifier of the subscription that it is for.',
  'MQTT-3.3.4-6': 'A client sends no subscription identifier in PUBLISH.',
  'MQTT-3.3.4-7':
    'A client has no more messages of QoS 1 and 2 in flight than the Receive Maximum of the server.',
  'MQTT-3.3.4-8': {
    text: 'A client delays nothing but PUBLISH because of the Receive Maximum.',
    notTheServers: onlyTheClients,
  },
  'MQTT-3.3.4-9':
    'A server has no more messages of QoS 1 and 2 in flight than the Receive Maximum of the client.',
  'MQTT-3.3.4-10': 'A server delays nothing but PUBLISH because of the Receive Maximum.',
};

export const connectToPublish: Statements = { ...connect, ...connack, ...publish };
