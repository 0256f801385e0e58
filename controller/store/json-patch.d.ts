/** The package brings no types. Only what patch.ts uses. */
declare module 'json-patch' {
  const jsonpatch: {
    /** Changes the document in place; throws on the first operation that fails. */
    apply(document: object, patch: readonly object[]): unknown;
  };
  export = jsonpatch;
}
