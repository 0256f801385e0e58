/** The near name for a misspelt one. Pure. */
import { distance } from 'fastest-levenshtein';

/** Closest of the candidates, where it is close enough that a person may have meant it: two letters of five may be wrong. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > 100) return undefined;
  const wanted = word.toLowerCase();
  const most = Math.min(Math.max(1, Math.ceil(wanted.length * 0.4)), wanted.length - 1);
  let best: { name: string; score: number } | undefined;
  for (const name of candidates) {
    const score = difference(wanted, name.toLowerCase());
    if (score <= most && (best === undefined || score < best.score)) best = { name, score };
  }
  return best?.name;
}

/** Edits between the two. A whole word more at one end, as in memoryLimit for memory, counts as one. */
function difference(a: string, b: string): number {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  if (short.length >= 4 && (long.startsWith(short) || long.endsWith(short))) return 1;
  return distance(a, b);
}
