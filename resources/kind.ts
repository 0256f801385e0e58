/**
 * What the machinery needs to know of a kind. One KindDefinition per kind; the registry lists them all.
 * The store, the API and the CLI are generic over this and know no kind by name.
 */
import type { Document, Reference } from './document.ts';

/** A column of `holdfast get`. */
export interface PrinterColumn {
  name: string;
  /** Dotted path into the document, or a function for what a path cannot say. Empty text where there is nothing. */
  value: string | ((document: Document) => string);
  /** age: the value is a time, shown as how long ago it was. */
  type?: 'age';
  /** Only with -o wide. */
  wide?: boolean;
  description?: string;
}

export interface KindDefinition {
  /** CamelCase, such as App. */
  kind: string;
  plural: string;
  singular: string;
  shortNames: string[];
  /** File in schemas/. */
  schema: string;
  /** label (the default): names are DNS labels. host: they are host names, with dots. */
  names?: 'label' | 'host';
  /** Who writes documents of this kind. People cannot apply what reconcilers write. */
  writtenBy: 'people' | 'reconcilers';
  /** Whole body encrypted at rest, values hidden in output. */
  secret?: boolean;
  /** Revisions are kept. False for what is written often and means nothing later. */
  history?: boolean;
  /** The only name allowed, for a singleton. */
  singleton?: string;
  columns: PrinterColumn[];
  /** Fields beyond metadata.name that fieldSelector may use: dotted paths. */
  selectable?: string[];
  /** Documents that this one names in its spec; they need not exist. */
  references?: (document: Document) => Reference[];
  /** Documents of this kind keep those that they name from being deleted by people. */
  usedBy?: { kind: string; names: (user: Document) => readonly string[]; remedy: string };
  /** Annotations that people may set although reconcilers write the kind: how they ask for something. */
  requests?: string[];
  /** Checks that a schema cannot say. Each problem names the field by JSON pointer. Pure. */
  check?: (manifest: { metadata: { name: string }; spec?: unknown }) => FieldProblem[];
  /** Finalizers that every new document of this kind starts with. */
  finalizers?: string[];
}

/** One thing wrong with a manifest. */
export interface FieldProblem {
  /** JSON pointer into the document, such as /spec/ports/SSH. */
  pointer: string;
  /** What was expected, as a sentence without the field's name. */
  message: string;
  /** A near name for a misspelt field or value. */
  suggestion?: string;
}
