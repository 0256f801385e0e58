/** A document without what the store and the reconcilers add: what a person would have written. Pure. */
import { ANNOTATION, type Document, type Manifest } from '../../resources/document.ts';

/** Annotations that verbs set; they speak of a moment and mean nothing in a file. */
const OF_A_MOMENT: readonly string[] = [ANNOTATION.restartedAt, ANNOTATION.retriedAt];

export function withoutServerFields(document: Document | Manifest): Manifest {
  const { name, labels, annotations } = document.metadata;
  return {
    apiVersion: document.apiVersion,
    kind: document.kind,
    metadata: {
      name,
      ...(isFilled(labels) ? { labels } : {}),
      ...(isFilled(annotations) ? { annotations } : {}),
    },
    ...(document.spec === undefined ? {} : { spec: document.spec }),
  };
}

/** The same, without marks of a moment: for files that are kept. */
export function forExport(document: Document): Manifest {
  const annotations = Object.entries(document.metadata.annotations ?? {}).filter(
    ([key]) => !OF_A_MOMENT.includes(key),
  );
  const metadata = { ...document.metadata, annotations: Object.fromEntries(annotations) };
  return withoutServerFields({ ...document, metadata });
}

function isFilled(map: Record<string, string> | undefined): map is Record<string, string> {
  return map !== undefined && Object.keys(map).length > 0;
}
