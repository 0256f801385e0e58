/** Which keys a reconciler has. Used by the engine and by plans, so that both look at the same. Pure. */
import type { AnyReconciler, View } from './contract.ts';

/** Every key that a reconciler has something to say of: those of its documents, and those that it always looks at. */
export function allKeys<Reading, Writing>(
  { kind, key, always = [] }: AnyReconciler<Reading, Writing>,
  view: View,
): Set<string> {
  const fixed = typeof always === 'function' ? always(view) : always;
  return new Set([...view.list(kind).map((document) => key(document)), ...fixed]);
}
