/**
 * What the instruments of the demonstration would show: a fridge with a door, a pump on an inverter, the meter in front of
 * both, and dust in the air. Values follow from each other: power is voltage × current × power factor, a pump that stops
 * turns slower and loses its pressure, PM2.5 is a part of PM10. Time runs faster for heat than outside.
 */

/** Degrees in the room, and those where the compressor starts and stops. */
const ROOM = 26;
const COMPRESSOR = { on: 5.2, off: 3.8 };
/** Seconds in which a value comes about two thirds nearer to where it goes. */
const DOOR = 20;
const COOLING = 9;
const LEAK = 160;
const DAMP = 9;
const PRESSURE = 2.2;
/** Hertz per second. */
const RAMP = { up: 14, down: 11 };
/** What the inverter wants, and the pressure at that speed. */
const SPEED = 45;
const BAR = 3.1;
/** The meter began at 0 then, and has counted a kilowatt since: more than is used, so a later start never shows less. */
const METER_BEGAN = Date.UTC(2026, 0, 1);

export class Plant {
  doorIsOpen = false;
  pumpRuns = true;
  #temperature = 4.6;
  #humidity = 46;
  #cools = false;
  #speed = SPEED;
  #pressure = BAR;
  #energy: number;
  #seconds = 0;

  /** @param now UTC ms */
  constructor(now: number) {
    this.#energy = Math.max(0, now - METER_BEGAN) / 3_600_000;
  }

  /** @param dt seconds since the last step; after a long pause the plant goes on as if there had been none */
  step(dt: number): void {
    const t = Math.min(Math.max(dt, 0), 2);
    const near = (now: number, goal: number, tau: number) => goal + (now - goal) * Math.exp(-t / tau);
    this.#seconds += t;
    if (this.#temperature > COMPRESSOR.on) this.#cools = true;
    else if (this.#temperature < COMPRESSOR.off) this.#cools = false;
    if (this.doorIsOpen) this.#temperature = near(this.#temperature, ROOM, DOOR);
    else this.#temperature = this.#cools ? near(this.#temperature, 2.4, COOLING) : near(this.#temperature, ROOM, LEAK);
    this.#humidity = near(this.#humidity, this.doorIsOpen ? 72 : this.#cools ? 44 : 47, DAMP);
    const wanted = this.pumpRuns ? SPEED + this.#wave(37, 1.4) : 0;
    const change = wanted - this.#speed;
    this.#speed += Math.max(-RAMP.down * t, Math.min(RAMP.up * t, change));
    this.#pressure = near(this.#pressure, BAR * (this.#speed / SPEED) ** 2, PRESSURE);
    this.#energy += (this.#electric().power / 1000) * (t / 3600);
  }

  /** By `device.point`, with the digits that each instrument has. */
  values(): ReadonlyMap<string, number | boolean> {
    const { voltage, current, factor, power } = this.#electric();
    const fine = 17 + this.#wave(53, 4) + this.#wave(7, 0.8);
    return new Map<string, number | boolean>([
      ['fridge.temperature', round(this.#temperature + this.#wave(11, 0.05), 1)],
      ['fridge.humidity', round(this.#humidity + this.#wave(9, 0.3), 1)],
      ['pump.running', this.pumpRuns],
      ['pump.speed', round(this.#speed, 1)],
      // A transmitter at rest shows its offset, never a negative pressure.
      ['pump.pressure', Math.max(0.02, round(this.#pressure + (this.#speed > 1 ? this.#wave(5, 0.02) : 0), 2))],
      ['meter.voltage', voltage],
      ['meter.current', current],
      ['meter.power-factor', factor],
      ['meter.power', power],
      ['meter.energy-import', round(this.#energy, 3)],
      ['dust.pm2_5', round(fine, 1)],
      ['dust.pm10', round(fine * 1.5 + 2, 1)],
    ]);
  }

  #electric() {
    const turns = this.#speed / SPEED;
    const current = round(0.42 + (this.#cools ? 0.86 : 0) + 3.3 * turns ** 3 + this.#wave(6, 0.03), 2);
    const voltage = round(231 + this.#wave(71, 1.6) + this.#wave(4, 0.3) - 0.3 * current, 1);
    const factor = round(0.98 - 0.11 * Math.min(1, turns), 2);
    return { current, voltage, factor, power: round(voltage * current * factor, 1) };
  }

  #wave(period: number, height: number): number {
    return height * Math.sin((this.#seconds / period) * 2 * Math.PI);
  }
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
