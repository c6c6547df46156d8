using BackpropCluster.Core;
using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Silos;
using Orleans.Hosting;
using Orleans.TestingHost;

namespace BackpropCluster.ClusterTests;

/// <summary>Answers to a coordinator go to its silo; the cluster's directory is not asked.</summary>
public sealed class AnswersTests
{
    [Fact]
    public async Task InARunThatNothingDisturbsNobodyCallsTheCoordinatorByTheDirectory()
    {
        var (byDirectory, bySilo) = (0, 0);
        var builder = new InProcessTestClusterBuilder(2);
        builder.ConfigureSilo(
            (_, silo) =>
            {
                silo.AddBackprop();
                silo.AddIncomingGrainCallFilter(call =>
                {
                    var isOfCoordinator = call.InterfaceMethod.DeclaringType == typeof(ICoordinatorGrain);
                    if (isOfCoordinator && call.MethodName == nameof(ICoordinatorGrain.Take))
                        Interlocked.Increment(ref byDirectory);
                    if (call.MethodName == nameof(ISiloGrain.ToCoordinator))
                        Interlocked.Increment(ref bySilo);
                    return call.Invoke();
                });
            }
        );
        await using var cluster = builder.Build();
        var end = TestContext.Current.CancellationToken;
        await cluster.DeployAsync(end);
        var plan = Tables.Plan(Runs.Mazur(20, UpdateOrder.AfterBackward), Granularity.Neuron, "answers");
        var trained = await TrainingClient.Train(cluster.Client, plan, TimeSpan.FromSeconds(10), cancellation: end);
        Assert.Equal(RunStatus.Completed, trained.Last.Status);
        Assert.Equal(0, byDirectory);
        Assert.True(bySilo >= 20, $"the other silo answered {bySilo} times in 20 steps");
    }
}
