// The operating errors: errors in setting up, starting and stopping a broker. Errors of clients are not
// here: they are reason codes, values that end one connection.

/** Every code that a {@link BrokerError} can have, with its meaning. */
const brokerErrorCodes = {
  CONFIG_INVALID:
    'an option, a limit or a variable of the environment is unknown or has a value that is not allowed',
  CONFIG_FILE_UNREADABLE: 'the configuration file cannot be read',
  ACCESS_FILE_UNREADABLE: 'a file of users or rules cannot be read',
  ACCESS_FILE_INVALID: 'a file of users or rules contains an error',
  BAN_INVALID:
    'a ban has an address, user name or client identifier that cannot occur, or there are too many bans',
  FLAG_UNKNOWN: 'the command was given a flag or an argument that it does not have',
  FLAG_VALUE_INVALID: 'a flag of the command lacks its value or has one that is not allowed',
  OPEN_WITHOUT_AUTHENTICATION: 'others could reach the broker, and clients need no credentials',
  ADDRESS_IN_USE: 'something else listens on the host and port',
  ADDRESS_NOT_AVAILABLE: 'the host is not an address of this machine',
  ADDRESS_NOT_PERMITTED: 'this user may not listen on the host and port',
  CERTIFICATE_INVALID: 'a certificate, its key or a list of authorities cannot be used',
  TLS_NOT_CONFIGURED: 'the broker has no certificates that it could read again',
  DEV_CERT_FAILED: 'rallymq dev-cert cannot make or write a certificate',
  ADDON_MISSING: 'the native addon is not built, or not for this machine',
  HTTP_NOT_AVAILABLE: 'no socket for HTTP can be created',
  STORE_IN_USE: 'another broker uses the data directory',
  STORE_TOO_NEW: 'the data directory was written by a newer version',
  STORE_NOT_USABLE: 'the data directory cannot be read or written',
  STORE_FAILED: 'the disk of the data directory has failed',
  CLUSTER_NOT_REACHABLE: 'NATS cannot be reached',
  CLUSTER_REFUSED:
    'NATS refuses this node or lacks a feature that it needs, or the cluster has no place for the node',
  CLUSTER_FILE_UNREADABLE: 'a file of the cluster cannot be used',
  TOO_FEW_FILES: 'the limit of open files is too low to start the broker',
  WORKER_FAILED: 'a worker thread ended, or did not start',
  BROKER_NOT_REACHED: 'no broker answers at the address that a command was given',
  API_REFUSED: 'the broker refuses what a command asks of its HTTP API',
  CLIENT_REFUSED: 'the broker refuses the connection, the message or the subscription of a command',
  ALREADY_STARTED: 'the broker was started before',
  HOST_PUBLISH_INVALID: 'the host program publishes something that no client could publish',
  HOST_PUBLISH_REFUSED: 'the broker refused a message of the host program',
  HOST_SUBSCRIBE_INVALID: 'the host program subscribes to a filter that is not allowed',
  NOT_RUNNING: 'the broker is not started, or already stopped',
} as const;

export type BrokerErrorCode = keyof typeof brokerErrorCodes;

export function isBrokerErrorCode(code: unknown): code is BrokerErrorCode {
  return typeof code === 'string' && Object.hasOwn(brokerErrorCodes, code);
}

/**
 * Thrown when RallyMQ cannot do what it was told. The message is one sentence that says what to do;
 * `cause` is the underlying error, if there is one.
 */
export class BrokerError extends Error {
  override readonly name = 'BrokerError';
  readonly code: BrokerErrorCode;

  constructor(code: BrokerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What start() rejects with if stop() was called meanwhile. */
export function stoppedWhileStarting(): BrokerError {
  return new BrokerError('NOT_RUNNING', 'The broker was stopped while it was starting.');
}
