/** Names of images as people write them. Pure; called by the checks of App and Addon. */
import type { FieldProblem } from './kind.ts';

/** As Docker reads a reference: [host[:port]/]path[:tag][@digest], all lower case before the tag. */
const IMAGE = new RegExp(
  '^(?:(?:[a-zA-Z0-9-]+(?:[.][a-zA-Z0-9-]+)+|localhost|\\[[0-9a-fA-F:]+\\]|[a-zA-Z0-9-]+(?=:[0-9]+/))(?::[0-9]+)?/)?' +
    '[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*)*' +
    '(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@[a-z0-9]+:[0-9a-f]{32,})?$',
);

export function imageProblem(pointer: string, image: unknown): FieldProblem[] {
  if (typeof image !== 'string' || image === '' || image.length > 512) return [];
  if (/^sha256:[0-9a-f]{64}$/.test(image) || IMAGE.test(image)) return [];
  const lower = image.toLowerCase();
  return [
    {
      pointer,
      message:
        'must be an image such as nginx:1.27 or ghcr.io/example/wiki@sha256:…, in lower case before the tag',
      ...(lower !== image && IMAGE.test(lower) ? { suggestion: lower } : {}),
    },
  ];
}
