/** The titles of the specification's sections, by their first two numbers. */
import type { Version } from '../support/packets.ts';

const packets: Readonly<Record<string, string>> = {
  '3.1': 'CONNECT',
  '3.2': 'CONNACK',
  '3.3': 'PUBLISH',
  '3.4': 'PUBACK',
  '3.5': 'PUBREC',
  '3.6': 'PUBREL',
  '3.7': 'PUBCOMP',
  '3.8': 'SUBSCRIBE',
  '3.9': 'SUBACK',
  '3.10': 'UNSUBSCRIBE',
  '3.11': 'UNSUBACK',
  '3.12': 'PINGREQ',
  '3.13': 'PINGRESP',
  '3.14': 'DISCONNECT',
  '3.15': 'AUTH',
};

const operation: Readonly<Record<string, string>> = {
  '1.5': 'Data representation',
  '4.1': 'Session state',
  '4.2': 'Network connections',
  '4.3': 'Quality of service',
  '4.4': 'Message delivery retry',
  '4.5': 'Message receipt',
  '4.6': 'Message ordering',
  '4.7': 'Topic names and topic filters',
  '6.0': 'WebSocket',
};

export const sectionTitles: Readonly<Record<Version, Readonly<Record<string, string>>>> = {
  '3.1.1': {
    ...packets,
    ...operation,
    '2.2': 'Fixed header',
    '2.3': 'Variable header',
    '4.8': 'Handling errors',
    '7.0': 'Conformance',
    '7.1': 'Conformance targets',
  },
  '5.0': {
    ...packets,
    ...operation,
    '2.1': 'Structure of a control packet',
    '2.2': 'Variable header',
    '4.8': 'Subscriptions',
    '4.9': 'Flow control',
    '4.10': 'Request and response',
    '4.11': 'Server redirection',
    '4.12': 'Enhanced authentication',
    '4.13': 'Handling errors',
  },
};

/** `3.1` of `MQTT-3.1.2-3`. */
export function sectionOf(identifier: string): string {
  return /^MQTT-(\d+\.\d+)/.exec(identifier)?.[1] ?? identifier;
}
