/** What takes room in the engine, from its answer to /system/df. Pure; called by the reading half. */
import type { EngineUsage } from './index.ts';
import { isOurs } from './ownership.ts';

export interface DiskUsage {
  Images?: { Id: string; RepoTags?: string[] | null; Size?: number; SharedSize?: number }[] | null;
  Containers?: { Id: string; Names?: string[] | null; SizeRw?: number }[] | null;
  Volumes?:
    | { Name: string; Labels?: Record<string, string> | null; UsageData?: { Size?: number } | null }[]
    | null;
  BuildCache?: { Size?: number; InUse?: boolean; Shared?: boolean }[] | null;
}

/** What an image alone has, without the layers that others have too. */
function own({ Size = 0, SharedSize = 0 }: { Size?: number; SharedSize?: number }): number {
  return Math.max(0, Size - Math.max(0, SharedSize));
}

export function readUsage(found: DiskUsage): EngineUsage {
  return {
    images: largest(
      (found.Images ?? []).map((image) => ({
        id: image.Id,
        names: [...(image.RepoTags ?? [])],
        bytes: own(image),
      })),
    ),
    containers: (found.Containers ?? [])
      .map(({ Id, Names, SizeRw = 0 }) => ({
        id: Id,
        name: (Names?.[0] ?? Id).replace(/^\//, ''),
        bytes: SizeRw,
      }))
      .sort((a, b) => b.bytes - a.bytes),
    volumes: largest(
      (found.Volumes ?? [])
        .filter(({ Labels }) => !isOurs(Labels))
        .map(({ Name, UsageData }) => ({ name: Name, bytes: Math.max(0, UsageData?.Size ?? 0) })),
    ),
    buildCacheBytes: (found.BuildCache ?? [])
      .filter(({ Shared }) => Shared !== true)
      .reduce((sum, { Size = 0 }) => sum + Size, 0),
  };
}

function largest<T extends { bytes: number }>(list: readonly T[]): T[] {
  return list.filter(({ bytes }) => bytes > 0).sort((a, b) => b.bytes - a.bytes);
}
