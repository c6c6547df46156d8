using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Coordination;

namespace BackpropCluster.ClusterTests;

/// <summary>A run's result tells what all of its coordinators counted.</summary>
public class RunTotalsTests
{
    [Fact]
    public void WhatEarlierCoordinatorsCountedStays()
    {
        var totals = new RunTotals();
        totals.Add(Progress(leader: 1, steps: 50, first: 0, recoveries: 2, replayed: 7));
        // Dies; the next one begins at step 40: ten steps are computed again.
        totals.Add(Progress(leader: 2, steps: 0, first: 0, led: false));
        var last = totals.Add(Progress(leader: 2, steps: 60, first: 40, recoveries: 1, replayed: 3));
        Assert.Equal((4, 20), (last.Recoveries, last.ReplayedSteps));
    }

    [Fact]
    public void AHandOverAtTheSavedStepIsAMoveAndNoRecovery()
    {
        var totals = new RunTotals();
        totals.Add(Progress(leader: 1, steps: 50, first: 0));
        var last = totals.Add(Progress(leader: 2, steps: 60, first: 50));
        Assert.Equal((0, 0, 1), (last.Recoveries, last.ReplayedSteps, last.Moves));
    }

    private static RunProgress Progress(
        int leader,
        int steps,
        int first,
        int recoveries = 0,
        int replayed = 0,
        bool led = true
    ) =>
        new()
        {
            Status = RunStatus.Training,
            Term = 1,
            CommittedSteps = steps,
            Steps = 100,
            Epoch = 1,
            NewLosses = [],
            NewEvaluations = [],
            Recoveries = recoveries,
            ReplayedSteps = replayed,
            StaleMessages = 0,
            Elapsed = TimeSpan.Zero,
            Leader = leader,
            FirstVersion = first,
            Placement = led ? new Placement(["a"], [], "a") : null,
        };
}
