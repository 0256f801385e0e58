/** What the store says while it runs. A pino logger fits. Never a value of a document. */
export interface StoreLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export const silentLog: StoreLog = { info() {}, warn() {}, error() {} };
