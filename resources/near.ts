/** The near name for a misspelt one. Pure. */
import { distance } from 'fastest-levenshtein';

/** Closest of the candidates, where it is close enough that a person may have meant it. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length > 100) return undefined;
  const wanted = word.toLowerCase();
  let best: { name: string; score: number } | undefined;
  for (const name of candidates) {
    const score = difference(wanted, name.toLowerCase());
    if (score <= Math.max(1, Math.floor(wanted.length / 3)) && (best === undefined || score < best.score))
      best = { name, score };
  }
  return best?.name;
}

/** Edits between the two. A whole word more at one end, as in memoryLimit for memory, counts as one. */
function difference(a: string, b: string): number {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  if (short.length >= 4 && (long.startsWith(short) || long.endsWith(short))) return 1;
  return distance(a, b);
}
