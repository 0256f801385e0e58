/** Values of Secrets, for the reconcilers that use them. Pure; what is answered here goes into no status, step or message. */
import type { Document } from '../resources/document.ts';
import type { SecretSpec } from '../resources/generated.ts';

/** Key of the password in the Secrets of Addons and Bindings. */
export const PASSWORD_KEY = 'password';

/** A key's value, from stringData or data; undefined where the Secret or the key is missing. */
export function secretValue(secret: Document | undefined, key: string): string | undefined {
  const spec = (secret?.spec ?? {}) as SecretSpec;
  if (spec.stringData && Object.hasOwn(spec.stringData, key)) return spec.stringData[key];
  if (!spec.data || !Object.hasOwn(spec.data, key)) return undefined;
  return Buffer.from(spec.data[key] ?? '', 'base64').toString('utf8');
}
