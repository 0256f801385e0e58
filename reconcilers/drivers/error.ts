/**
 * The one error that drivers throw for what the outside world said. The message is the real text of Docker, nginx or the
 * kernel, with the thing it is about in front.
 */
export type DriverErrorCode =
  /** The other side cannot be reached. */
  | 'unavailable'
  | 'notFound'
  /** Somebody else has it: a port, a name, an address. */
  | 'conflict'
  /** Credentials are missing or wrong. */
  | 'denied'
  /** It does not carry our mark. */
  | 'foreign'
  | 'timeout'
  | 'aborted'
  | 'storageFull'
  /** It was asked for something that it refuses: trying again changes nothing. */
  | 'invalid'
  | 'failed';

export class DriverError extends Error {
  readonly code: DriverErrorCode;
  constructor(code: DriverErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'DriverError';
    this.code = code;
  }
}
