/**
 * The one place where something that went wrong becomes an answer: a Kubernetes Status object with code, reason and
 * causes. Every route throws; nobody else writes an error to a client. What is not meant for a client (a bug, a foreign
 * error) is told as Internal without its text, and stands in the log.
 */
import { API_GROUP, type Reference } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { type FieldCause, StoreError, type StoreErrorReason } from '../store/types.ts';

export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, never>;
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code: number;
}

interface StatusDetails {
  name?: string;
  group?: string;
  /** The plural, as Kubernetes has it. */
  kind?: string;
  uid?: string;
  causes?: { reason: string; message: string; field: string }[];
  retryAfterSeconds?: number;
}

/** What the API itself refuses. `reason` is the word that clients match. */
export class ApiError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly reference: Reference | undefined;
  readonly causes: FieldCause[];
  constructor(
    code: number,
    reason: string,
    message: string,
    options: { reference?: Reference; causes?: FieldCause[]; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'ApiError';
    this.code = code;
    this.reason = reason;
    this.reference = options.reference;
    this.causes = options.causes ?? [];
  }
}

export const refuse = {
  badRequest: (message: string) => new ApiError(400, 'BadRequest', message),
  unauthorized: (message: string) => new ApiError(401, 'Unauthorized', message),
  forbidden: (message: string) => new ApiError(403, 'Forbidden', message),
  notFound: (definition: KindDefinition, name: string) =>
    new ApiError(404, 'NotFound', `${definition.plural}.${API_GROUP} "${name}" not found`, {
      reference: { kind: definition.kind, name },
    }),
  unknownPath: (path: string) =>
    new ApiError(404, 'NotFound', `the server could not find the requested resource: ${path}`),
  method: (method: string, path: string, instead?: string) =>
    new ApiError(
      405,
      'MethodNotAllowed',
      `${method} is not possible on ${path}${instead === undefined ? '' : `: ${instead}`}`,
    ),
  notAcceptable: (offered: string) =>
    new ApiError(406, 'NotAcceptable', `the only media types offered are ${offered}`),
  mediaType: (accepted: readonly string[]) =>
    new ApiError(
      415,
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
    ),
  invalid: (message: string, causes: FieldCause[], reference?: Reference) =>
    new ApiError(422, 'Invalid', message, { causes, ...(reference && { reference }) }),
  tooMany: (message: string) => new ApiError(429, 'TooManyRequests', message),
};

const STORE_CODES: Record<StoreErrorReason, number> = {
  NotFound: 404,
  AlreadyExists: 409,
  Conflict: 409,
  Invalid: 422,
  Forbidden: 403,
  Expired: 410,
  StorageFull: 507,
  Internal: 500,
};

/** The drivers' words for what the outside world said. */
const DRIVER_CODES: Record<string, [number, string]> = {
  unavailable: [503, 'ServiceUnavailable'],
  notFound: [404, 'NotFound'],
  conflict: [409, 'Conflict'],
  denied: [403, 'Forbidden'],
  foreign: [403, 'Forbidden'],
  timeout: [504, 'Timeout'],
  aborted: [503, 'ServiceUnavailable'],
  storageFull: [507, 'StorageFull'],
  invalid: [400, 'BadRequest'],
};

/** What the HTTP server itself refuses; any other 4xx of it is a BadRequest. */
const SERVER_REASONS: Record<number, string> = {
  404: 'NotFound',
  405: 'MethodNotAllowed',
  408: 'Timeout',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  429: 'TooManyRequests',
};

export function success(details?: StatusDetails): Status {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    ...(details && { details }),
    code: 200,
  };
}

export function toStatus(error: unknown, kinds: readonly KindDefinition[]): Status {
  if (error instanceof ApiError) {
    return failure(error.code, error.reason, error.message, details(error, kinds));
  }
  if (error instanceof StoreError) {
    const reason = error.reason === 'Internal' ? 'InternalError' : error.reason;
    return failure(STORE_CODES[error.reason], reason, error.message, details(error, kinds));
  }
  if (error instanceof Error) {
    const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
    const driver = typeof code === 'string' && error.name === 'DriverError' ? DRIVER_CODES[code] : undefined;
    if (driver) return failure(driver[0], driver[1], error.message);
    if (error.name === 'DriverError') return failure(500, 'InternalError', error.message);
    if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
      return serverRefusal(statusCode, error.message);
    }
  }
  return failure(
    500,
    'InternalError',
    'The controller failed on this request; its log has the reason (journalctl -u holdfast)',
  );
}

function serverRefusal(code: number, message: string): Status {
  const reason = SERVER_REASONS[code];
  return reason ? failure(code, reason, message) : failure(400, 'BadRequest', message);
}

function details(
  error: { reference: Reference | undefined; causes: FieldCause[] },
  kinds: readonly KindDefinition[],
): StatusDetails | undefined {
  const { reference, causes } = error;
  if (!reference && causes.length === 0) return undefined;
  const reason =
    'reason' in error && error.reason === 'Conflict' ? 'FieldManagerConflict' : 'FieldValueInvalid';
  const plural = kinds.find((entry) => entry.kind === reference?.kind)?.plural;
  return {
    ...(reference && { name: reference.name, group: API_GROUP, kind: plural ?? reference.kind }),
    ...(causes.length > 0 && {
      causes: causes.map(({ field, message }) => ({ reason, message, field })),
    }),
  };
}

function failure(code: number, reason: string, message: string, details?: StatusDetails): Status {
  const retry = code === 429 || code === 503 ? { ...details, retryAfterSeconds: 1 } : details;
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason,
    ...(retry && { details: retry }),
    code,
  };
}
