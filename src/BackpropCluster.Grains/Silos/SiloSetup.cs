using BackpropCluster.Core.Protocol;
using BackpropCluster.Grains.Actors;
using BackpropCluster.Grains.Checkpoints;
using BackpropCluster.Grains.Client;
using BackpropCluster.Grains.Clustering;
using BackpropCluster.Grains.Coordination;
using BackpropCluster.Grains.Data;
using BackpropCluster.Grains.Wire;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Orleans.Configuration;
using Orleans.Runtime;
using Orleans.Serialization;
using Orleans.Serialization.Serializers;
using Orleans.Storage;

namespace BackpropCluster.Grains.Silos;

/// <summary>The one place that wires a silo.</summary>
public static class SiloSetup
{
    /// <summary>Keeps checkpoints in a folder of this machine, those of a run below <c>{folder}/{run}/checkpoints</c>.
    /// Without it or another <see cref="IGrainStorage"/>, none are kept.</summary>
    public static IServiceCollection AddCheckpointFolder(this IServiceCollection services, string folder) =>
        services.AddSingleton<IRunNames>(new FolderStorage(folder)).AddCheckpoints(_ => new FolderStorage(folder));

    /// <summary>Keeps checkpoints in any grain storage.</summary>
    public static IServiceCollection AddCheckpoints(
        this IServiceCollection services,
        Func<IServiceProvider, IGrainStorage> storage
    ) =>
        services
            .AddSingleton(provider => new SealedRecords(storage(provider), provider.GetRequiredService<Serializer>()))
            .AddSingleton<CheckpointStore>();

    /// <summary>Keeps runs where the checkpoints are: they belong to the cluster then, and go on when the client that
    /// began them is gone.</summary>
    public static ISiloBuilder AddRuns(this ISiloBuilder silo)
    {
        silo.Services.AddSingleton<RunCatalog>().AddSingleton<SiloDrain>().AddHostedService<RunSupervisor>();
        return silo;
    }

    /// <summary>Adds what grains of this project need. Clustering and endpoints are the caller's.</summary>
    public static ISiloBuilder AddBackprop(this ISiloBuilder silo)
    {
        silo.Services.TryAddSingleton(TimeProvider.System);
        silo.Services.TryAddSingleton<ITrainingObserver, NoObserver>();
        silo.Services.TryAddSingleton<TableReader>(DataFiles.Read);
        silo.Services.AddSingleton<ActorHostFactory>()
            .AddSingleton<Exchanges>()
            .AddSingleton<LocalCoordinators>()
            .AddSingleton<EligibleSilos>();
        silo.Services.AddSingleton<SiloEnd>()
            .AddSingleton<IFatalErrorHandler>(services => services.GetRequiredService<SiloEnd>());
        silo.Services.AddSingleton<IGeneralizedCodec, LibraryExceptionCodec>();
        silo.Services.AddPlacementDirector<OnSiloPlacement, OnSiloDirector>();
        silo.Services.AddSingleton(services => new StoreClient(services.GetService<CheckpointStore>()));
        silo.Services.TryAddSingleton<DataCatalog>();
        silo.Services.TryAddSingleton(new ProgramVersion(ClusterSilo.ProgramVersion));
        // Sizes are checked when a run is planned, so that a user is told which key to change; what is planned must
        // then pass.
        silo.Configure<SiloMessagingOptions>(options => options.MaxMessageBodySize = PlanLimits.MaxMessageBytes);
        // A dead silo is noticed after about a second, not after fifteen; the step's deadline is the net below.
        silo.Configure<ClusterMembershipOptions>(options =>
        {
            options.ProbeTimeout = TimeSpan.FromSeconds(1);
            options.NumMissedProbesLimit = 3;
            // Of a silo that was heard of within three of these no silo says that it is dead. A frozen one closes no
            // connection, so this is how long it takes to be known: less than a step's default deadline, or the run
            // would be restored onto it once more.
            options.MaxProbeTimeout = TimeSpan.FromSeconds(2.5);
            // A cluster that was killed as a whole may be started again at once: its dead entries are old after three
            // missed signs of life.
            options.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(3);
            // Once a minute by default: of three silos, one that had lost the others at once led their runs on after
            // up to 50 s.
            options.TableRefreshTimeout = TimeSpan.FromSeconds(5);
            options.MaxJoinAttemptTime = TimeSpan.FromSeconds(60);
        });
        return silo;
    }
}
