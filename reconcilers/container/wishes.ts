/** What people ask for beside what a document says: to try again, to start anew. Pure. */
import { ANNOTATION, type Document } from '../../resources/document.ts';

/** As one text; another text is another wish. Not compared as times: theirs need not be this machine's, and clocks jump. */
export function wishes({ metadata }: Pick<Document, 'metadata'>): string {
  return [ANNOTATION.retriedAt, ANNOTATION.restartedAt]
    .map((name) => metadata.annotations?.[name] ?? '')
    .join(' ')
    .trim();
}
