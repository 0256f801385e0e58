/**
 * Image references as people write them: `nginx`, `nginx:1.27`, `ghcr.io/a/b@sha256:…`, `127.0.0.1:5000/a:1`. Pure; used
 * for pulling and for telling a registry. A port is not a tag: only a colon after the last slash separates one.
 */
import { DriverError } from '../error.ts';

interface ImageReference {
  /** With the registry in front, as it was given. */
  repository: string;
  /** A tag, or sha256:… where a digest was given. */
  tag: string;
  /** The registry's host and port, where the reference names one. */
  registry?: string;
  /** In full: with `:latest` where nothing was said. */
  text: string;
}

export function parseReference(text: string): ImageReference {
  const at = text.indexOf('@');
  if (at >= 0) {
    const digest = text.slice(at + 1);
    // A tag beside a digest says nothing: the digest decides.
    const repository = splitTag(text.slice(0, at)).repository;
    return withRegistry({ repository, tag: digest, text: `${repository}@${digest}` });
  }
  const { repository, tag = 'latest' } = splitTag(text);
  return withRegistry({ repository, tag, text: `${repository}:${tag}` });
}

function splitTag(text: string): { repository: string; tag?: string } {
  const colon = text.lastIndexOf(':');
  if (colon < 0 || colon < text.lastIndexOf('/')) return { repository: text };
  return { repository: text.slice(0, colon), tag: text.slice(colon + 1) };
}

/** The engine's rule: the first part is a registry when it has a dot or a colon, or is localhost. */
function withRegistry(reference: Omit<ImageReference, 'registry'>): ImageReference {
  const slash = reference.repository.indexOf('/');
  const first = slash < 0 ? '' : reference.repository.slice(0, slash);
  return /[.:]/.test(first) || first === 'localhost' ? { ...reference, registry: first } : reference;
}

/** Names go into the engine's paths: a slash or a question mark would ask for something else. */
export function requireName(what: 'container' | 'network' | 'volume', text: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(text)) return;
  throw new DriverError('invalid', `"${text}" cannot be the name or id of a ${what}`);
}

export function requireImageName(text: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.:@/-]*$/.test(text) && !/(^|\/)\.{1,2}(\/|$)|\/\//.test(text)) return;
  throw new DriverError('invalid', `"${text}" is no image reference (invalid reference format)`);
}
