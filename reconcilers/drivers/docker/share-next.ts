/**
 * One answer for many who ask at the same time. In contrast to cached-value.ts nothing is kept: nobody is given an answer to a
 * question that was put before he asked. The Docker driver uses it for lists that a hundred creations need at once.
 */
export function shareNext<T>(ask: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  return () => {
    next ??= running.then(() => {
      next = undefined;
      const answer = ask();
      running = answer.catch(() => undefined);
      return answer;
    });
    return next;
  };
}
