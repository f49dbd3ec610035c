/** Units of systemd in the packages: which are enabled at the installation, and the part of the maintainer scripts about them. */

export interface PackageUnits {
  /** Files of systemd/ that the package has. */
  readonly files: readonly string[];
  /** Those that start with the board. The others are switched on by hand. */
  readonly enabled: readonly string[];
  /** Those that begin anew after an upgrade. */
  readonly restarted: readonly string[];
}

type Script = 'preinst' | 'postinst' | 'prerm' | 'postrm';

/** Debian's helpers keep what an administrator switched on or off, also while the package is away. */
export function unitScript(script: Script, { enabled, restarted, files }: PackageUnits): string {
  const list = enabled.join(' ');
  const again = restarted.filter((unit) => enabled.includes(unit));
  const begin = enabled.filter((unit) => !again.includes(unit));
  switch (script) {
    case 'preinst':
      return '';
    case 'postinst':
      return `if [ "$1" = configure ] || [ "$1" = abort-upgrade ] || [ "$1" = abort-deconfigure ] || [ "$1" = abort-remove ]; then
  for unit in ${list}; do
    deb-systemd-helper unmask "$unit" >/dev/null || true
    if deb-systemd-helper --quiet was-enabled "$unit"; then
      deb-systemd-helper enable "$unit" >/dev/null || true
    else
      deb-systemd-helper update-state "$unit" >/dev/null || true
    fi
  done
  if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
${begin.length === 0 ? '' : `    deb-systemd-invoke start ${begin.join(' ')} >/dev/null || true\n`}${
  again.length === 0
    ? ''
    : `    if [ -n "\${2:-}" ]; then action=restart; else action=start; fi
    deb-systemd-invoke $action ${again.join(' ')} >/dev/null || true\n`
}  fi
fi`;
    case 'prerm':
      return `if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  deb-systemd-invoke stop ${files.filter((file) => !file.includes('@')).join(' ')} >/dev/null || true
fi`;
    case 'postrm':
      return `if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = remove ] && [ -x /usr/bin/deb-systemd-helper ]; then
  deb-systemd-helper mask ${list} >/dev/null || true
fi
if [ "$1" = purge ]; then
  if [ -x /usr/bin/deb-systemd-helper ]; then
    deb-systemd-helper purge ${list} >/dev/null || true
    deb-systemd-helper unmask ${list} >/dev/null || true
  fi
  # What an administrator switched on or changed by hand: systemctl enable, systemctl edit.
  for unit in ${files.join(' ')}; do
    rm -rf "/etc/systemd/system/$unit.d"
    rm -f /etc/systemd/system/*.wants/"$unit"
  done
fi`;
  }
}
