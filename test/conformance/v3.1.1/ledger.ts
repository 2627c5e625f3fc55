/**
 * The normative statements of MQTT 3.1.1 (OASIS Standard, 29 October 2014, Appendix B): 141 of them. The
 * standard writes two identifiers in another way, `[MQTT-3.1.2.7]` and `[MQTT-3-8.3-4]`; here they are like
 * the others.
 */
import type { Statements } from '../support/statements.ts';

const clientsOnly = 'binds the client alone';

const packetFormat: Statements = {
  'MQTT-1.5.3-1': 'A string that is not well-formed UTF-8, surrogates included, ends the connection.',
  'MQTT-1.5.3-2': 'A string with the character U+0000 ends the connection.',
  'MQTT-1.5.3-3': 'EF BB BF is the character U+FEFF wherever it stands, and is never left out.',
  'MQTT-2.2.2-1': 'Flags of the first byte that are reserved have the values that the table gives.',
  'MQTT-2.2.2-2': 'Flags that are not valid end the connection.',
  'MQTT-2.3.1-1': 'SUBSCRIBE, UNSUBSCRIBE and PUBLISH of QoS 1 and 2 have a packet identifier that is not 0.',
  'MQTT-2.3.1-2': {
    text: 'For each new one of these packets a client chooses a packet identifier that it does not use already.',
    notTheServers: clientsOnly,
  },
  'MQTT-2.3.1-3': {
    text: 'A client that sends such a packet again gives it the packet identifier it had.',
    notTheServers: clientsOnly,
  },
  'MQTT-2.3.1-4':
    'A server chooses and repeats the packet identifiers of its PUBLISH packets by the same rules.',
  'MQTT-2.3.1-5': 'A PUBLISH of QoS 0 has no packet identifier.',
  'MQTT-2.3.1-6': 'PUBACK, PUBREC and PUBREL carry the packet identifier of the PUBLISH that they belong to.',
  'MQTT-2.3.1-7': 'SUBACK and UNSUBACK carry the packet identifier of the packet that they answer.',
};

const connect: Statements = {
  'MQTT-3.1.0-1': 'The first packet on a connection is a CONNECT.',
  'MQTT-3.1.0-2': 'A second CONNECT on a connection is a protocol violation and ends it.',
  'MQTT-3.1.2-1': 'A CONNECT with another protocol name is not handled as one of this protocol.',
  'MQTT-3.1.2-2':
    'A protocol level that the server does not have is answered with return code 1 and the end.',
  'MQTT-3.1.2-3': 'A CONNECT whose reserved flag is set ends the connection.',
  'MQTT-3.1.2-4':
    'With clean session 0 the session of the client identifier goes on; where there is none, one begins.',
  'MQTT-3.1.2-5':
    'Behind a connection with clean session 0 the server keeps the messages of QoS 1 and 2 that match.',
  'MQTT-3.1.2-6':
    'With clean session 1 any earlier session is forgotten, and nothing of the new one is used later.',
  'MQTT-3.1.2-7': 'Retained messages are no part of a session and outlive it.',
  'MQTT-3.1.2-8':
    'The will that came with a CONNECT is published when the connection ends, unless DISCONNECT came before.',
  'MQTT-3.1.2-9': 'With the will flag set, the payload has a will topic and a will message.',
  'MQTT-3.1.2-10': 'A will is gone once it was published, or a DISCONNECT came.',
  'MQTT-3.1.2-11': 'Without the will flag, will QoS and will retain are 0 and the payload has no will.',
  'MQTT-3.1.2-12': 'Without the will flag, no will is published when the connection ends.',
  'MQTT-3.1.2-13': 'Without the will flag, the will QoS is 0.',
  'MQTT-3.1.2-14': 'The will QoS is never 3.',
  'MQTT-3.1.2-15': 'Without the will flag, will retain is 0.',
  'MQTT-3.1.2-16': 'With will retain 0, the will is published without being retained.',
  'MQTT-3.1.2-17': 'With will retain 1, the will is published as a retained message.',
  'MQTT-3.1.2-18': 'Without the user name flag, there is no user name in the payload.',
  'MQTT-3.1.2-19': 'With the user name flag, there is a user name in the payload.',
  'MQTT-3.1.2-20': 'Without the password flag, there is no password in the payload.',
  'MQTT-3.1.2-21': 'With the password flag, there is a password in the payload.',
  'MQTT-3.1.2-22': 'Without a user name there is no password.',
  'MQTT-3.1.2-23': {
    text: 'With nothing else to send within the keep alive, a client sends a PINGREQ.',
    notTheServers: clientsOnly,
  },
  'MQTT-3.1.2-24':
    'A client that sends nothing for one and a half times its keep alive is treated as lost by the network.',
  'MQTT-3.1.3-1':
    'The payload is client identifier, will topic, will message, user name, password, in this order.',
  'MQTT-3.1.3-2': 'The client identifier is what the state of a session is found by.',
  'MQTT-3.1.3-3': 'The client identifier is always there, and is the first field of the payload.',
  'MQTT-3.1.3-4': 'The client identifier is a UTF-8 encoded string.',
  'MQTT-3.1.3-5': 'Client identifiers of 1 to 23 letters and digits are allowed.',
  'MQTT-3.1.3-6':
    'A client that leaves its client identifier empty is given one that is unique, if it is let in.',
  'MQTT-3.1.3-7': 'An empty client identifier comes with clean session 1.',
  'MQTT-3.1.3-8':
    'An empty client identifier with clean session 0 is answered with return code 2 and the end.',
  'MQTT-3.1.3-9': 'A client identifier that the server rejects is answered with return code 2 and the end.',
  'MQTT-3.1.3-10': 'The will topic is a UTF-8 encoded string.',
  'MQTT-3.1.3-11': 'The user name is a UTF-8 encoded string.',
  'MQTT-3.1.4-1': 'A CONNECT that is not as section 3.1 says ends the connection, without a CONNACK.',
  'MQTT-3.1.4-2':
    'A client that connects with the client identifier of a connected one ends that connection.',
  'MQTT-3.1.4-3': 'Clean session is heeded when a CONNECT is accepted.',
  'MQTT-3.1.4-4': 'A CONNECT that is accepted is answered with a CONNACK of return code 0.',
  'MQTT-3.1.4-5': 'Nothing that was sent behind a CONNECT that is refused has an effect.',
};

const connackAndPublish: Statements = {
  'MQTT-3.2.0-1': 'The first packet that a server sends is a CONNACK.',
  'MQTT-3.2.2-1': 'With clean session 1, the CONNACK of an accepted client says that no session was present.',
  'MQTT-3.2.2-2': 'With clean session 0, the CONNACK says that a session was present where one was.',
  'MQTT-3.2.2-3': 'With clean session 0, the CONNACK says that no session was present where none was.',
  'MQTT-3.2.2-4': 'A CONNACK that refuses says that no session was present.',
  'MQTT-3.2.2-5': 'Behind a CONNACK that refuses, the server ends the connection.',
  'MQTT-3.2.2-6': {
    text: 'Where no return code fits, the server ends the connection without a CONNACK.',
    notTheServers:
      'whether a code fits is decided inside the server; that a CONNECT which is no valid one is closed ' +
      'without a CONNACK is tested with MQTT-3.1.4-1',
  },
  'MQTT-3.3.1-1': 'A PUBLISH that is sent again has the DUP flag.',
  'MQTT-3.3.1-2': 'A PUBLISH of QoS 0 has no DUP flag.',
  'MQTT-3.3.1-3': 'The DUP flag of a message that came in is not handed on to subscribers.',
  'MQTT-3.3.1-4': 'A PUBLISH with both QoS bits set ends the connection.',
  'MQTT-3.3.1-5': 'A message with the retain flag is stored, with its QoS, for those who subscribe later.',
  'MQTT-3.3.1-6': 'A new subscription is sent the last retained message of each topic that matches.',
  'MQTT-3.3.1-7': 'A retained message of QoS 0 takes the place of the one that was retained for its topic.',
  'MQTT-3.3.1-8': 'A message that is sent because of a new subscription has the retain flag.',
  'MQTT-3.3.1-9': 'A message that is sent because of a subscription that stood has no retain flag.',
  'MQTT-3.3.1-10':
    'A retained message without a payload removes the one of its topic, and is handed on itself.',
  'MQTT-3.3.1-11': 'A retained message without a payload is not stored.',
  'MQTT-3.3.1-12': 'A message without the retain flag is not stored and leaves what is retained as it is.',
  'MQTT-3.3.2-1': 'The topic name is the first field behind the fixed header, a UTF-8 encoded string.',
  'MQTT-3.3.2-2': 'The topic name of a PUBLISH has no wildcards.',
  'MQTT-3.3.2-3': 'The topic name that a subscriber is sent matches the filter of its subscription.',
  'MQTT-3.3.4-1': 'A PUBLISH is answered as its QoS demands: not at all, with PUBACK, with PUBREC.',
  'MQTT-3.3.5-1': 'Where subscriptions of a client overlap, it gets a message with the highest QoS of them.',
  'MQTT-3.3.5-2': 'A PUBLISH that is not allowed is acknowledged as if it were, or ends the connection.',
};

const subscribeToDisconnect: Statements = {
  'MQTT-3.6.1-1': 'A PUBREL with other flags than 0010 ends the connection.',
  'MQTT-3.8.1-1': 'A SUBSCRIBE with other flags than 0010 ends the connection.',
  'MQTT-3.8.3-1': 'The filters of a SUBSCRIBE are UTF-8 encoded strings.',
  'MQTT-3.8.3-2': 'A server without wildcards rejects subscriptions that have them.',
  'MQTT-3.8.3-3': 'A SUBSCRIBE has at least one filter with its QoS; one without is a protocol violation.',
  'MQTT-3.8.3-4': 'A SUBSCRIBE with reserved bits or with QoS 3 ends the connection.',
  'MQTT-3.8.4-1': 'A SUBSCRIBE is answered with a SUBACK.',
  'MQTT-3.8.4-2': 'The SUBACK has the packet identifier of the SUBSCRIBE.',
  'MQTT-3.8.4-3':
    'A subscription with the filter of one that stands replaces it; retained messages come again, and no message is lost.',
  'MQTT-3.8.4-4':
    'A SUBSCRIBE with several filters is as good as several with one each, but for its one SUBACK.',
  'MQTT-3.8.4-5': 'The SUBACK has for each filter the QoS that was granted, or that it failed.',
  'MQTT-3.8.4-6': 'A message is sent with its own QoS or the one that was granted, whichever is less.',
  'MQTT-3.9.3-1': 'The return codes of a SUBACK are in the order of the filters.',
  'MQTT-3.9.3-2': 'The return codes of a SUBACK are 0, 1, 2 and 0x80, and nothing else.',
  'MQTT-3.10.1-1': 'An UNSUBSCRIBE with other flags than 0010 ends the connection.',
  'MQTT-3.10.3-1': 'The filters of an UNSUBSCRIBE are UTF-8 encoded strings, one behind the other.',
  'MQTT-3.10.3-2': 'An UNSUBSCRIBE has at least one filter; one without is a protocol violation.',
  'MQTT-3.10.4-1':
    'An UNSUBSCRIBE removes the subscriptions whose filters are the same, character by character.',
  'MQTT-3.10.4-2': 'Behind an UNSUBSCRIBE no new messages are taken for the client.',
  'MQTT-3.10.4-3':
    'Messages of QoS 1 and 2 that were begun are brought to their end in spite of an UNSUBSCRIBE.',
  'MQTT-3.10.4-4': 'An UNSUBSCRIBE is answered with an UNSUBACK of the same packet identifier.',
  'MQTT-3.10.4-5': 'An UNSUBSCRIBE that removes nothing is answered with an UNSUBACK too.',
  'MQTT-3.10.4-6':
    'An UNSUBSCRIBE with several filters is as good as several with one each, but for its one UNSUBACK.',
  'MQTT-3.12.4-1': 'A PINGREQ is answered with a PINGRESP.',
  'MQTT-3.14.1-1': 'A DISCONNECT with reserved bits set ends the connection as one that is not valid.',
  'MQTT-3.14.4-1': {
    text: 'Behind its DISCONNECT a client closes the connection.',
    notTheServers: clientsOnly,
  },
  'MQTT-3.14.4-2': {
    text: 'Behind its DISCONNECT a client sends no packets any more.',
    notTheServers: clientsOnly,
  },
  'MQTT-3.14.4-3': 'With the DISCONNECT the will is forgotten and not published.',
};

const operation: Statements = {
  'MQTT-4.1.0-1': 'The state of a session is kept for as long as it lasts.',
  'MQTT-4.1.0-2': 'A session lasts at least as long as its connection.',
  'MQTT-4.3.1-1': 'The sender of a message of QoS 0 sends a PUBLISH with QoS 0 and without DUP.',
  'MQTT-4.3.2-1':
    'The sender of a message of QoS 1 gives it a free packet identifier, sends it first without DUP, and holds it until its PUBACK.',
  'MQTT-4.3.2-2':
    'The receiver of a message of QoS 1 answers with a PUBACK; behind that the same packet identifier is a new message.',
  'MQTT-4.3.3-1':
    'The sender of a message of QoS 2 holds it until its PUBREC, then sends a PUBREL, holds that until its PUBCOMP, and does not send the PUBLISH again.',
  'MQTT-4.3.3-2':
    'The receiver of a message of QoS 2 answers it with PUBREC as often as it comes, hands it on once, and answers PUBREL with PUBCOMP; behind that the same packet identifier is a new message.',
  'MQTT-4.4.0-1':
    'When a session goes on, PUBLISH packets and PUBREL packets without an answer are sent again with their packet identifiers.',
  'MQTT-4.5.0-1':
    'A message that a server took goes to the sessions of all clients whose subscriptions match.',
  'MQTT-4.5.0-2': {
    text: 'A client acknowledges each PUBLISH as its QoS demands, also one that it did not ask for.',
    notTheServers: clientsOnly,
  },
  'MQTT-4.6.0-1': 'PUBLISH packets that are sent again keep their order.',
  'MQTT-4.6.0-2': 'PUBACK packets come in the order of their PUBLISH packets.',
  'MQTT-4.6.0-3': 'PUBREC packets come in the order of their PUBLISH packets.',
  'MQTT-4.6.0-4': 'PUBREL packets come in the order of their PUBREC packets.',
  'MQTT-4.6.0-5': 'Unless told otherwise, a server keeps the order of each topic.',
  'MQTT-4.6.0-6':
    'Subscribers get the messages of one topic and QoS in the order in which one client sent them.',
  'MQTT-4.7.1-1': 'Wildcards are for filters; a topic name has none.',
  'MQTT-4.7.1-2': 'The # stands alone or behind a /, and is the last character of a filter.',
  'MQTT-4.7.1-3': 'The + stands for a level, and fills it.',
  'MQTT-4.7.2-1': 'A filter that begins with a wildcard does not match a topic name that begins with $.',
  'MQTT-4.7.3-1': 'Topic names and filters have at least one character.',
  'MQTT-4.7.3-2': 'Topic names and filters have no U+0000.',
  'MQTT-4.7.3-3': 'Topic names and filters have at most 65,535 bytes.',
  'MQTT-4.7.3-4': 'Topic names and filters are compared as they are, without normalization.',
  'MQTT-4.8.0-1': 'A protocol violation ends the connection on which it came.',
  'MQTT-4.8.0-2': {
    text: 'A transient error while a packet is handled ends the connection on which it came.',
    notTheServers: 'a shortage inside the server cannot be caused through MQTT; the fault tests cause some',
  },
};

const transportAndConformance: Statements = {
  'MQTT-6.0.0-1': 'MQTT goes in binary WebSocket frames; any other data frame ends the connection.',
  'MQTT-6.0.0-2': 'Packets and WebSocket frames begin and end independently of each other.',
  'MQTT-6.0.0-3': {
    text: 'A WebSocket client offers the sub-protocol mqtt.',
    notTheServers: clientsOnly,
  },
  'MQTT-6.0.0-4': 'The sub-protocol that the server chooses is mqtt.',
  'MQTT-7.0.0-1': {
    text: 'A server that also connects to other servers does so as a client of MQTT.',
    notTheServers:
      'only for servers that connect to others by MQTT, which ones connected by a client cannot show',
  },
  'MQTT-7.0.0-2': {
    text: 'Nothing beyond the specification is needed in order to work together.',
    notTheServers: 'that nothing else is needed is what all other tests show, which use nothing else',
  },
  'MQTT-7.1.1-1': 'A server has a transport that carries bytes in order and without loss, both ways.',
  'MQTT-7.1.2-1': {
    text: 'A client has a transport that carries bytes in order and without loss, both ways.',
    notTheServers: clientsOnly,
  },
};

export const ledger: Statements = {
  ...packetFormat,
  ...connect,
  ...connackAndPublish,
  ...subscribeToDisconnect,
  ...operation,
  ...transportAndConformance,
};
