/** What a fake hands out is the caller's own. Many times quicker than structuredClone, which is for more than plain data. */
export function plainCopy<T>(value: T): T {
  if (Array.isArray(value)) return value.map(plainCopy) as T;
  if (value === null || typeof value !== 'object') return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) throw new TypeError('only plain data is copied');
  const copy: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value)) copy[key] = plainCopy(member);
  return copy as T;
}
