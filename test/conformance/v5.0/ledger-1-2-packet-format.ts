/** MQTT 5.0, chapters 1 and 2: data representation and packet format. */
import type { Statements } from '../support/statements.ts';

export const packetFormat: Statements = {
  'MQTT-1.5.4-1': 'A string is well-formed UTF-8, without surrogates.',
  'MQTT-1.5.4-2': 'A string has no U+0000.',
  'MQTT-1.5.4-3':
    'The bytes EF BB BF are the character U+FEFF wherever they stand in a string, and stay there.',
  'MQTT-1.5.5-1': 'A variable byte integer has as few bytes as its value needs.',
  'MQTT-1.5.7-1': 'Both strings of a pair keep the rules for strings.',
  'MQTT-2.1.3-1': 'Flags of the fixed header that are reserved have the value that the table of flags gives.',
  'MQTT-2.2.1-2': 'A PUBLISH with QoS 0 has no packet identifier.',
  'MQTT-2.2.1-3':
    'A client gives a new SUBSCRIBE, UNSUBSCRIBE or PUBLISH with QoS 1 or 2 an identifier other than 0 that is free.',
  'MQTT-2.2.1-4': 'A server gives a new PUBLISH with QoS 1 or 2 an identifier other than 0 that is free.',
  'MQTT-2.2.1-5':
    'PUBACK, PUBREC, PUBREL and PUBCOMP have the identifier of the PUBLISH that they belong to.',
  'MQTT-2.2.1-6': 'SUBACK and UNSUBACK have the identifier of what they answer.',
  'MQTT-2.2.2-1': 'Where there are no properties, a property length of 0 says so.',
};
