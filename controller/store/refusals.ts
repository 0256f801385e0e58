/** The words of refusals that more than one rule gives. */
import { type Document, type Reference, refText } from '../../resources/document.ts';
import { type FieldCause, StoreError } from './types.ts';

export function invalid(reference: Reference | undefined, causes: FieldCause[]): StoreError {
  const list = causes.map(({ field, message }) => `${field}: ${message}`).join('; ');
  if (reference === undefined) return new StoreError('Invalid', list, { causes });
  return new StoreError('Invalid', `${textOf(reference)} is not valid: ${list}`, { reference, causes });
}

export function conflict(document: Document, words: string): StoreError {
  return new StoreError('Conflict', `${refText(document)} ${words}`, { reference: referenceTo(document) });
}

export function textOf({ kind, name }: Reference): string {
  return `${kind.toLowerCase()}/${name}`;
}

export function referenceTo(document: Document): Reference {
  return { kind: document.kind, name: document.metadata.name };
}
