/** The points that rules look at, as the configuration describes them. */
import type { GatewayConfig, ResolvedRule } from '../../config/kinds.ts';
import { storageOfPoint } from '../../config/rules.ts';
import { POINT_TYPES } from '../../core/point.ts';
import type { WantedPoint } from './recording.ts';

export function pointsOf(rule: ResolvedRule): string[] {
  return [`${rule.device}.${rule.point}`, ...(rule.inputs ?? [])];
}

export function wantedPoints(config: GatewayConfig, rules: readonly ResolvedRule[]): Map<string, WantedPoint> {
  return new Map([...new Set(rules.flatMap(pointsOf))].map((name) => [name, wantedPoint(config, name)]));
}

export function wantedPoint(config: GatewayConfig, whole: string): WantedPoint {
  const [device = '', name = ''] = whole.split('.');
  const settings = config.devices.get(device)?.points.get(name);
  const storage = settings === undefined ? undefined : storageOfPoint(settings);
  const type = POINT_TYPES.find((known) => known === settings?.type) ?? 'float64';
  const unit = typeof settings?.unit === 'string' ? settings.unit : undefined;
  return { device, name, type, storage: storage ?? 'number', typed: storage !== undefined, ...(unit !== undefined && { unit }) };
}

/** The log keeps less of these points than the gateway sees. */
export function filteredPoints(config: GatewayConfig, wanted: Iterable<string>): string[] {
  return [...wanted].filter((whole) => {
    const [device = '', name = ''] = whole.split('.');
    return config.devices.get(device)?.points.get(name)?.report !== undefined;
  });
}
