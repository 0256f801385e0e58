/** Answers of a pure function of a text, kept for the texts that were asked for lately: those that are asked for again and again stay. */
export function memo<T>(most: number, answer: (text: string) => T): (text: string) => T {
  let lately = new Map<string, T>();
  let before = new Map<string, T>();
  return (text) => {
    if (lately.has(text)) return lately.get(text) as T;
    const found = before.has(text) ? (before.get(text) as T) : answer(text);
    if (lately.size >= most) {
      before = lately;
      lately = new Map();
    }
    lately.set(text, found);
    return found;
  };
}

/** Answers of a pure function of an object that is never changed, kept for as long as the object is. */
export function memoOf<K extends object, T>(answer: (object: K) => T): (object: K) => T {
  const known = new WeakMap<K, { value: T }>();
  return (object) => {
    const found = known.get(object) ?? { value: answer(object) };
    known.set(object, found);
    return found.value;
  };
}
