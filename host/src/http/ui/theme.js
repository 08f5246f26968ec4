// Light, dark, or as the system has it: set before the first paint, kept in localStorage. A classic script, so that nothing flashes.
(() => {
  const kept = () => {
    try {
      return localStorage.getItem('farrier-theme');
    } catch {
      return null;
    }
  };
  const apply = (theme) => {
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  };
  apply(kept());
  globalThis.farrierTheme = {
    /** `light`, `dark` or `system`. */
    current: () => document.documentElement.dataset.theme ?? 'system',
    set(theme) {
      apply(theme);
      try {
        if (theme === 'system') localStorage.removeItem('farrier-theme');
        else localStorage.setItem('farrier-theme', theme);
      } catch {
        // Private windows may refuse storage; the theme then lasts as long as the page.
      }
    },
  };
})();
