/** Turns what was thrown while looking or doing into a failure that the engine can act on and a person can read. */
import { type Failure, ReconcileError } from '../controller/engine/contract.ts';
import { DriverError, type DriverErrorCode } from './drivers/error.ts';

const BY_CODE: Record<DriverErrorCode, { kind: Failure['kind']; reason: string }> = {
  unavailable: { kind: 'retryable', reason: 'Unavailable' },
  notFound: { kind: 'retryable', reason: 'NotFound' },
  conflict: { kind: 'retryable', reason: 'InUse' },
  denied: { kind: 'retryable', reason: 'AccessDenied' },
  foreign: { kind: 'retryable', reason: 'NotOurs' },
  timeout: { kind: 'retryable', reason: 'Timeout' },
  aborted: { kind: 'retryable', reason: 'Aborted' },
  storageFull: { kind: 'retryable', reason: 'StorageFull' },
  invalid: { kind: 'retryable', reason: 'Refused' },
  failed: { kind: 'retryable', reason: 'Failed' },
};

export function classifyFailure(error: unknown): Failure {
  if (error instanceof ReconcileError) {
    const { kind, reason, message, recheckSeconds } = error;
    return { kind, reason, message, ...(recheckSeconds === undefined ? {} : { recheckSeconds }) };
  }
  if (error instanceof DriverError) return { ...BY_CODE[error.code], message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  if ((error as { code?: unknown }).code === 'ENOSPC')
    return { kind: 'retryable', reason: 'StorageFull', message };
  return { kind: 'retryable', reason: 'Failed', message };
}
