/** MQTT 5.0, sections 3.4 to 3.15: from PUBACK to AUTH. */
import type { Statements } from '../support/statements.ts';

export const pubackToAuth: Statements = {
  'MQTT-3.4.2-1': 'A PUBACK carries a reason code that is meant for PUBACK.',
  'MQTT-3.4.2-2':
    'A PUBACK is sent without its Reason String where it would be larger than the receiver takes.',
  'MQTT-3.4.2-3':
    'A PUBACK is sent without its User Properties where it would be larger than the receiver takes.',

  'MQTT-3.5.2-1': 'A PUBREC carries a reason code that is meant for PUBREC.',
  'MQTT-3.5.2-2':
    'A PUBREC is sent without its Reason String where it would be larger than the receiver takes.',
  'MQTT-3.5.2-3':
    'A PUBREC is sent without its User Properties where it would be larger than the receiver takes.',

  'MQTT-3.6.1-1': 'The flags of PUBREL are 0010; with any others it is malformed, and the server closes.',
  'MQTT-3.6.2-1': 'A PUBREL carries a reason code that is meant for PUBREL.',
  'MQTT-3.6.2-2':
    'A PUBREL is sent without its Reason String where it would be larger than the receiver takes.',
  'MQTT-3.6.2-3':
    'A PUBREL is sent without its User Properties where it would be larger than the receiver takes.',

  'MQTT-3.7.2-1': 'A PUBCOMP carries a reason code that is meant for PUBCOMP.',
  'MQTT-3.7.2-2':
    'A PUBCOMP is sent without its Reason String where it would be larger than the receiver takes.',
  'MQTT-3.7.2-3':
    'A PUBCOMP is sent without its User Properties where it would be larger than the receiver takes.',

  'MQTT-3.8.1-1': 'The flags of SUBSCRIBE are 0010; with any others it is malformed, and the server closes.',
  'MQTT-3.8.3-1': 'The topic filters of SUBSCRIBE are UTF-8 strings.',
  'MQTT-3.8.3-2': 'A SUBSCRIBE has at least one topic filter with its options.',
  'MQTT-3.8.3-3': 'With No Local, a client gets nothing that was published under its own client identifier.',
  'MQTT-3.8.3-4': 'No Local on a shared subscription is a protocol error.',
  'MQTT-3.8.3-5': 'A reserved bit that is set in subscription options makes the SUBSCRIBE malformed.',
  'MQTT-3.8.4-1': 'A SUBSCRIBE is answered with a SUBACK.',
  'MQTT-3.8.4-2': 'The SUBACK has the packet identifier of its SUBSCRIBE.',
  'MQTT-3.8.4-3':
    'A SUBSCRIBE to a filter that the session has (not shared) puts a new subscription in place of the old one.',
  'MQTT-3.8.4-4':
    'When a subscription is replaced no message gets lost, and with Retain Handling 0 the retained ones come again.',
  'MQTT-3.8.4-5':
    'A SUBSCRIBE with several filters works as that many with one filter, but is answered once.',
  'MQTT-3.8.4-6': 'The SUBACK has one reason code for each filter.',
  'MQTT-3.8.4-7': 'The reason code is the highest QoS that is granted, or says that the subscription failed.',
  'MQTT-3.8.4-8':
    'A message reaches a subscriber with the lower of the QoS it was published with and the QoS that was granted.',

  'MQTT-3.9.2-1':
    'A SUBACK is sent without its Reason String where it would be larger than the client takes.',
  'MQTT-3.9.2-2':
    'A SUBACK is sent without its User Properties where it would be larger than the client takes.',
  'MQTT-3.9.3-1': 'The reason codes of a SUBACK stand in the order of the filters.',
  'MQTT-3.9.3-2': 'Each reason code of a SUBACK is one that is meant for SUBACK.',

  'MQTT-3.10.1-1':
    'The flags of UNSUBSCRIBE are 0010; with any others it is malformed, and the server closes.',
  'MQTT-3.10.3-1': 'The topic filters of UNSUBSCRIBE are UTF-8 strings.',
  'MQTT-3.10.3-2': 'An UNSUBSCRIBE has at least one topic filter.',
  'MQTT-3.10.4-1':
    'An UNSUBSCRIBE ends the subscription whose filter has the same characters, wildcards included, and no other.',
  'MQTT-3.10.4-2': 'After an UNSUBSCRIBE no new message is taken for the client on account of these filters.',
  'MQTT-3.10.4-3':
    'QoS 1 and 2 messages that were already being sent when UNSUBSCRIBE came are delivered to the end.',
  'MQTT-3.10.4-4': 'An UNSUBSCRIBE is answered with an UNSUBACK.',
  'MQTT-3.10.4-5':
    'The UNSUBACK has the packet identifier of its UNSUBSCRIBE, and comes even if no subscription ended.',
  'MQTT-3.10.4-6':
    'An UNSUBSCRIBE with several filters works as that many with one filter, but is answered once.',

  'MQTT-3.11.2-1':
    'An UNSUBACK is sent without its Reason String where it would be larger than the client takes.',
  'MQTT-3.11.2-2':
    'An UNSUBACK is sent without its User Properties where it would be larger than the client takes.',
  'MQTT-3.11.3-1': 'The reason codes of an UNSUBACK stand in the order of the filters.',
  'MQTT-3.11.3-2': 'Each reason code of an UNSUBACK is one that is meant for UNSUBACK.',

  'MQTT-3.12.4-1': 'A PINGREQ is answered with a PINGRESP.',

  'MQTT-3.14.0-1': 'The server sends DISCONNECT only behind a CONNACK that accepted the client.',
  'MQTT-3.14.1-1':
    'The flags of DISCONNECT are checked: with one set, the answer is a DISCONNECT with Malformed Packet.',
  'MQTT-3.14.2-1': 'A DISCONNECT carries a reason code that is meant for DISCONNECT.',
  'MQTT-3.14.2-2': 'A DISCONNECT of the server has no Session Expiry Interval.',
  'MQTT-3.14.2-3':
    'A DISCONNECT is sent without its Reason String where it would be larger than the receiver takes.',
  'MQTT-3.14.2-4':
    'A DISCONNECT is sent without its User Properties where it would be larger than the receiver takes.',
  'MQTT-3.14.4-1': 'Whoever sent DISCONNECT sends nothing more on that connection.',
  'MQTT-3.14.4-2': 'Whoever sent DISCONNECT closes the connection.',
  'MQTT-3.14.4-3': 'A DISCONNECT with 0x00 makes the server throw the will away unpublished.',

  'MQTT-3.15.1-1': 'The flags of AUTH are 0; with any others it is malformed, and its receiver closes.',
  'MQTT-3.15.2-1': 'An AUTH carries a reason code that is meant for AUTH.',
  'MQTT-3.15.2-2':
    'An AUTH is sent without its Reason String where it would be larger than the receiver takes.',
  'MQTT-3.15.2-3':
    'An AUTH is sent without its User Properties where it would be larger than the receiver takes.',
};
