package experiment

import "github.com/dvms-project/dvms/internal/settings"

// The quantities of scenarios, with their units: 300s and 60%.
type (
	Duration = settings.Duration
	Percent  = settings.Percent
)
