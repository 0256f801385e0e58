/** What the store says while it runs. The controller's log fits. Never a value of a document. */
export interface StoreLog {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export const silentLog: StoreLog = { info() {}, warn() {}, error() {} };
